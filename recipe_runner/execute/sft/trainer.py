"""TRL's trainer with a weight for each token; everything else is TRL's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trl import SFTTrainer

if TYPE_CHECKING:
    import torch


class WeightedSFTTrainer(SFTTrainer):
    """Supervised fine-tuning where batches may carry `weights`, a factor per token.

    The loss of a step is the sum of weight x negative log-likelihood over its trained
    tokens, divided by the number of its trained tokens, over all accumulated batches and
    processes: with every weight 1 it is TRL's. A weight belongs to the token it stands
    at, whose probability is given by what comes before. Entropy and accuracy are not weighted.
    """

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """TRL's loss, of weighted log-probabilities where the batch has weights."""
        if "weights" in inputs:
            inputs = dict(inputs)
            model = _weighted(model, inputs.pop("weights"))
        return super().compute_loss(
            model, inputs, return_outputs=return_outputs, num_items_in_batch=num_items_in_batch
        )


def _weighted(model: Any, weights: torch.Tensor) -> Callable[..., Any]:
    """`model`, with the log-probability of each token times its weight.

    TRL scores the tokens from the second on, so the first weight has nothing to scale.
    """

    def forward(*args: Any, **kwargs: Any) -> Any:
        outputs = model(*args, **kwargs)
        if kwargs.get("fused_lm_head"):
            scored = outputs.log_probs
            outputs.log_probs = scored * weights[:, 1:].to(scored.device, scored.dtype)
        return outputs

    return forward
