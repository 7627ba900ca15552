"""Padding taken out before the layers, and put back behind them."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import (
    Lever,
    Situation,
    Verdict,
    applied,
    asked_for,
    not_needed,
    refused,
)
from recipe_runner.plan.joined import SEGMENTS, cannot_join, cannot_segment


class PaddingFree(Lever):
    """The layers of the model see the tokens of a batch in one row, without padding.

    The trainer makes its batches as always. Before the first layer the real tokens are put
    behind each other, attention goes document by document, and behind the last layer each
    token is back at its place: no trainer and no loss knows of it. On CUDA in 16 bits
    PyTorch's kernel for variable lengths takes all documents at once, elsewhere each document
    is a call of its own. No mask of T x T is made.
    """

    type: Literal["padding_free"]

    joins: ClassVar[bool] = True
    snippet: ClassVar[str] = "speed: {padding_free: require}"
    gain: ClassVar[str] = (
        "where 41% of the tokens are real, 2.4 times beside the other levers and 1.45 times alone, "
        "on a CPU (`python -m benchmarks.ablation`)"
    )

    def judge(self, situation: Situation) -> Verdict:
        """Used where the layers can keep documents apart, and attention is left to us."""
        if situation.joins_rows:
            return not_needed("rows arrive joined, without padding")
        if situation.feed == "prompts" and situation.generates_in_batches:
            return refused("continuous batching brings an attention of its own")
        if situation.sees:
            return refused("images belong to rows of their own")
        if situation.attention not in (None, SEGMENTS):
            return refused(f"`model.attn_implementation` names {situation.attention}")
        if situation.noise:
            return refused("`training.neftune_noise_alpha`: noise is scaled by the length of rows")
        if situation.torch_compile:
            return refused("`training.torch_compile` wants batches of one shape")
        if situation.has_experts:
            return refused("the balance of experts is counted over padded batches")
        if situation.virtual_tokens:
            return refused(f"{situation.adapter} puts tokens of its own before those of each row")
        if situation.reads_batch is not None:
            because = f"{situation.reads_batch} looks at all tokens of a batch, padding among them"
            return asked_for(because)
        if situation.reads_places:
            return refused(f"{situation.adapter} looks where each token stands in its row")
        why = cannot_join(situation.config) or cannot_segment(situation.config)
        if why is not None:
            return refused(f"the model {why}")
        if situation.micro_batch == 1 and situation.feed == "sequences":
            return applied(f"each row is a batch, and needs no mask{situation.drops}")
        return applied(f"the layers can keep the rows of a batch apart{situation.drops}")
