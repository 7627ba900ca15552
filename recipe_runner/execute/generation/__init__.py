"""The vLLM server of a run whose plan asks for one: its GPUs, its start and its end."""
