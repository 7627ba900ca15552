"""Kernels of other packages: which there are, and what for.

Read twice: for a recipe, from the packages that are installed, and for a run, which asks the
device and the loaded model.
"""

from __future__ import annotations

from dataclasses import dataclass

Capability = tuple[int, int]
"""NVIDIA's compute capability: (8, 0) is Ampere, (9, 0) Hopper, (10, 0) Blackwell."""


@dataclass(frozen=True)
class VarlenKernel:
    """`flash_attn_varlen_func` of a package, in `module`.

    It runs on devices of `capability` and above, and below `before`. Heads may have up to
    `largest_head` values, in multiples of 8. `unbounded` is its word for a window without an end.
    """

    package: str
    module: str
    capability: Capability
    before: Capability
    largest_head: int
    unbounded: int | None

    def why_not_on(self, capability: Capability) -> str | None:
        """Why it does not run on a device; None where it does."""
        if self.capability <= capability < self.before:
            return None
        found, wanted = _text(capability), _text(self.capability)
        return f"{self.package} is for compute capability {wanted}, and the GPU has {found}"

    def why_not_for(self, head: int) -> str | None:
        """Why it cannot take heads of so many values; None where it can."""
        if head % 8 == 0 and head <= self.largest_head:
            return None
        return f"heads have {head} values, and {self.package} takes multiples of 8 up to {self.largest_head}"


VARLEN_KERNELS = (
    # It takes larger heads too: all on Hopper, 256 alone on Blackwell. They are left to the others.
    VarlenKernel("flash-attn-4", "flash_attn.cute", (9, 0), (13, 0), 128, None),
    VarlenKernel("flash-attn-3", "flash_attn_interface", (9, 0), (10, 0), 256, -1),
    VarlenKernel("flash-attn", "flash_attn", (8, 0), (13, 0), 256, -1),
)
"""The fastest first. Sources: `flash_attn/cute/interface.py` of flash-attn-4 4.0.0b36 (its backward
pass wants 9.0), `hopper/flash_attn_interface.py` and `flash_attn/flash_attn_interface.py` of
Dao-AILab/flash-attention."""

OF_LIGER = frozenset(
    {
        "exaone4",
        "gemma",
        "gemma2",
        "gemma3_text",
        "granite",
        "hunyuan_v1_dense",
        "llama",
        "ministral",
        "mistral",
        "olmo2",
        "olmo3",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
    }
)
"""Types of models whose layers liger-kernel 0.8.5 computes with the loss and gradients of PyTorch.

It knows more, which `tests/runs/speed/test_package_kernels.py` does not compare."""

OF_UNSLOTH = frozenset({"gemma", "gemma2", "llama", "mistral", "qwen2", "qwen3"})
"""Types of models that `FastLanguageModel` of unsloth 2026.10.9 has layers of its own for."""


def _text(capability: Capability) -> str:
    return ".".join(map(str, capability))
