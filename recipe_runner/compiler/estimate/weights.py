"""Bytes of loaded weights, by their type and how the base is quantized."""

import re
from collections.abc import Iterable

from recipe_runner.compiler.estimate.architecture import Architecture
from recipe_runner.components.quantization import Quantization

WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of a number, by torch's names of types."""


def weight_bytes(architecture: Architecture, dtype: str, quantization: Quantization | None) -> int:
    """Bytes of all weights of a model that is loaded in `dtype`."""
    width = WIDTHS[dtype]
    if quantization is None:
        return architecture.total * width
    bits = 16.0 if quantization.whole else quantization.weight_bits
    skips = quantization.skips
    kept = (architecture.head, architecture.classifier) if skips is None else ()
    few = sum(
        m.outputs * m.inputs
        for m in architecture.modules
        if m.kind == "linear" and m.name not in kept and not _skipped(m.name, skips or ())
    )
    return round(few * bits / 8) + (architecture.total - few) * width


def _skipped(name: str, skips: Iterable[str]) -> bool:
    """As transformers decides: by the beginning up to a part, as a regular expression, or by the ending."""
    end = r"(?:(?<=\.)|(?=\.|$))"
    for skip in skips:
        try:
            found = re.match(rf"(?:{skip}){end}", name) is not None
        except re.error:
            found = False  # upstream says so when it loads the model
        if found or name.endswith(skip):
            return True
    return False
