"""What quantizations that map 1:1 to a class of transformers are called and what their options do."""

from collections.abc import Mapping

from recipe_runner.devtools.quantization_words import finished, while_loading
from recipe_runner.devtools.quantization_words.word import COMMON, LEFT_OUT
from recipe_runner.devtools.worded import Method

METHODS: tuple[Method, ...] = (*while_loading.METHODS, *finished.METHODS)

CONFIGS = tuple(
    sorted({"BitsAndBytesConfig", "TorchAoConfig", *(method.config for method in METHODS)})
)
"""Every quantization class of transformers that a plan may build."""

WITHOUT: Mapping[str, str] = {
    "gguf": "transformers reads such a file into whole weights: name the model it was made from",
    "mxfp8": "is fp8 with other blocks: `quantization: fp8`",
    "metal": "runs on Apple's GPUs only, which nothing else of the run does",
}
"""Methods of transformers without a component, each with the reason."""

__all__ = ["COMMON", "CONFIGS", "LEFT_OUT", "METHODS", "WITHOUT"]
