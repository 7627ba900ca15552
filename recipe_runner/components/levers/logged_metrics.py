"""Entropy and accuracy, in the steps that are logged only."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import Lever, Situation, Verdict, applied, not_needed, refused


class LoggedMetrics(Lever):
    """Entropy and accuracy of the tokens are taken in steps that are logged, and in no other.

    TRL takes both in every pass, from all logits, waits for them on the device, and logs their
    mean over the steps since the last line. Here a line has those of its own step: the same
    measure of fewer tokens. The loss in the log stays the mean over all steps.
    """

    type: Literal["logged_metrics"]

    snippet: ClassVar[str] = "speed: {logged_metrics: off}"
    gain: ClassVar[str] = (
        "9 to 25% of the time of the output head, on a CPU; 5 waits for the device a pass, on a GPU"
    )

    def judge(self, situation: Situation) -> Verdict:
        """Used for a loss over tokens, where not every step is logged."""
        if not situation.reads_head or not situation.totals:
            return not_needed("no entropy is taken in each pass of this loss")
        if situation.logging_steps == 1:
            return not_needed("each step is logged")
        if situation.has_experts:
            return refused("the balance of experts is a part of the loss")
        every = situation.logging_steps
        return applied(f"one step in {every} is logged: its entropy and accuracy stand for all")
