"""Words that several quantizations share."""

from __future__ import annotations

from collections.abc import Mapping

from recipe_runner.devtools.worded import Word

LEFT_OUT: Mapping[str, str] = {}
"""Options that no component has, each with the reason."""

COMMON: Mapping[str, Word] = {
    "modules_to_not_convert": Word(
        "Strings | None", "Modules left as they are; null leaves the output head."
    ),
}
"""Options that several of them share."""

GPU = {"needs_gpu": "True"}


def bits(expression: str) -> Mapping[str, str]:
    """Bits that one weight takes, with its share of the scales."""
    return {"@property\ndef weight_bits(self) -> float:": expression}


def needs(package: str, type_name: str, module: str | None = None) -> str:
    """The packages of a quantization, as source text."""
    found = module or package.replace("-", "_")
    return f'(Requirement("{package}", "{found}", "quantization: {type_name}"),)'
