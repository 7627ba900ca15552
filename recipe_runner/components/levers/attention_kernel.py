"""Attention over documents in one row, by the kernel of another package."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    applied,
    not_needed,
    refused,
)
from recipe_runner.plan.kernels import VARLEN_KERNELS

_PACKAGES = tuple(each.package for each in VARLEN_KERNELS)


class AttentionKernel(Lever):
    """Attention over the documents of a joined row goes through FlashAttention, where it is installed.

    Without it, PyTorch's own kernel for variable lengths takes them. The fastest package that is
    installed and that the GPU can run is used: `flash-attn-4` and `flash-attn-3` from Hopper on,
    `flash-attn` from Ampere on. It is tried on two short documents before the first step, and rows
    that it cannot take go through PyTorch's. The receipt tells which one was called, and how often.
    What `model.attn_implementation` names is left alone.
    """

    type: Literal["attention_kernel"]

    packages: ClassVar[tuple[str, ...]] = _PACKAGES
    snippet: ClassVar[str] = "speed: {attention_kernel: require}"
    gain: ClassVar[str] = (
        "1.5 to 2 times in attention on Hopper, by the paper of FlashAttention 3: 3 to 8% of a "
        "step with 4,096 tokens a row, a third with 32,768"
    )

    def judge(self, situation: Situation) -> Verdict:
        """Used on GPUs in 16 bits, for rows that are joined and kept apart by our attention."""
        if situation.cpu:
            return not_needed("a CPU has no such kernels")
        if not (situation.in_segments or situation.without_padding):
            named = situation.attention
            because = f"`model.attn_implementation` names {named}" if named else "rows are padded"
            return not_needed(f"{because}, and attention is left as it is")
        if situation.precision == "no":
            return refused("such kernels compute in 16 bits, and the run in float32")
        if lacks := situation.lacks(*_PACKAGES):
            return refused(lacks)
        head = situation.head_size
        tight = [each.why_not_for(head) for each in VARLEN_KERNELS] if head else [None]
        if None not in tight:
            return refused(str(tight[-1]))
        return applied(situation.has(*_PACKAGES))
