"""A model as one GGUF file, the format of llama.cpp: names, numbers, tokens and weights.

The `gguf` package of the llama.cpp project writes and reads the file and names the tensors;
what is here says which of a model's values go where, and refuses a model of which llama.cpp
would make another one.
"""
