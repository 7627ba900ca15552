"""In what form each tensor is kept in a GGUF file, and how far it may be from its original."""

from __future__ import annotations

from typing import Any

import numpy as np

_OWN = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
_BLOCK = 32
_SMALL = ("q4_0", "q4_1", "q5_0", "q5_1")
# llama.cpp's own quantizer keeps these two finer than the rest as well.
_FINER = ("token_embd.weight", "output.weight")

# The farthest that a value may be from its original, relative to itself for plain numbers and
# to the largest of its block for quantized ones: half a step, or a whole one at the end of a
# range that reaches less far on the positive side (q4_0, q5_0). A block's scale and offset are
# 16-bit numbers themselves.
_ROUNDED = 2**-11
_BOUNDS = {
    "f32": 0.0,
    "f16": _ROUNDED,
    "bf16": 2**-8,
    "q8_0": 0.5 / 127 + _ROUNDED,
    "q5_1": 1 / 31 + 3 * _ROUNDED,
    "q5_0": 1 / 16 + _ROUNDED,
    "q4_1": 1 / 15 + 3 * _ROUNDED,
    "q4_0": 1 / 8 + _ROUNDED,
}
# Where 16-bit numbers lose their relative precision.
_SMALLEST = {"f16": 2**-25}


def type_of_file(asked: str, dtypes: set[str]) -> str:
    """The type that `asked` means for weights of these types, in safetensors' words."""
    if asked != "auto":
        return asked
    return _OWN.get(next(iter(dtypes)), "f32") if len(dtypes) == 1 else "f32"


def type_of_tensor(name: str, size: tuple[int, ...], file_type: str) -> str:
    """The type of one tensor by its name in the file: vectors stay whole.

    Rows that are no whole number of blocks cannot be quantized and become 16-bit numbers.
    """
    if len(size) < 2:
        return "f32"
    kind = "q8_0" if file_type in _SMALL and name in _FINER else file_type
    return "f16" if kind.startswith("q") and size[-1] % _BLOCK else kind


def code_of(kind: str) -> Any:
    """The `gguf` package's constant for a type."""
    from gguf import GGMLQuantizationType

    return GGMLQuantizationType[kind.upper()]


def code_of_file(kind: str) -> Any:
    """What the file's header says its weights mostly are."""
    from gguf import LlamaFileType

    return LlamaFileType.ALL_F32 if kind == "f32" else LlamaFileType[f"MOSTLY_{kind.upper()}"]


def bytes_of(size: tuple[int, ...], kind: str) -> int:
    """The bytes that a tensor takes."""
    from gguf import GGML_QUANT_SIZES

    block, width = GGML_QUANT_SIZES[code_of(kind)]
    count = 1
    for each in size:
        count *= each
    return int(count // block * width)


def kept(value: Any, kind: str) -> Any:
    """A float32 tensor in the bytes of its type."""
    from gguf.quants import quantize

    return np.ascontiguousarray(quantize(value, code_of(kind)))


def farthest(original: Any, found: Any, kind: str) -> float:
    """How far `found` is from `original`, as a share of what its type allows: 1 is the bound."""
    difference = np.abs(original - found)
    if kind == "f32":
        return 0.0 if not difference.any() else float("inf")
    if kind.startswith("q"):
        largest = np.abs(original.reshape(-1, _BLOCK)).max(axis=1, keepdims=True)
        allowed = np.broadcast_to(largest * _BOUNDS[kind], (largest.shape[0], _BLOCK))
        allowed = allowed.reshape(original.shape)
    else:
        allowed = np.abs(original) * _BOUNDS[kind] + _SMALLEST.get(kind, 0.0)
    return float(np.max(np.where(difference == 0, 0.0, difference / np.maximum(allowed, 1e-45))))
