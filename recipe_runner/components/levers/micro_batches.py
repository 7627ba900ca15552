"""The rows of an optimizer step, shared out by tokens instead of by rows."""

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


class MicroBatches(Lever):
    """The rows of an optimizer step go through the model in as few passes as memory allows.

    A recipe says how many rows a step has, and how many of them fit into memory in the worst
    case, when all have the greatest length. Most rows are shorter, so more of them fit: the
    same rows are shared out anew, up to `speed.tokens_per_micro_batch` real tokens a pass.
    It is for losses that are a sum over all tokens of a step, divided once.
    """

    type: Literal["micro_batches"]

    regroups: ClassVar[bool] = True
    snippet: ClassVar[str] = "speed: {micro_batches: on, tokens_per_micro_batch: 8192}"
    gain: ClassVar[str] = (
        "1.3 to 1.7 times with 2 rows in each of 8 accumulation steps (`python -m benchmarks speed`)"
    )

    def judge(self, situation: Situation) -> Verdict:
        """Used where a step has several rows, and the loss does not care how they are grouped."""
        if situation.joins_rows:
            return not_needed("rows arrive joined, and fill a pass already")
        if situation.accumulation == 1:
            return not_needed("an optimizer step is one pass already")
        if not situation.totals:
            return refused("the loss is a mean over the rows of a pass, so their number matters")
        if situation.drop_last:
            return refused("`training.dataloader_drop_last` leaves out rows by the batch")
        if situation.grows_rope:
            return refused("the longest row of a pass decides how positions are turned")
        if not situation.without_padding:
            # So it is under sharded weights, with experts, images and noise on embeddings too.
            return refused("fewer passes have more padding, which nothing takes out")
        if situation.reads_batch is not None:
            because = f"{situation.reads_batch} looks at all tokens of a pass"
            return asked_for(because)
        if situation.processes > 1:
            return asked_for("the last step of an epoch is filled up with other rows than without")
        return applied(f"the loss is a sum over the tokens of a step{situation.drops}")
