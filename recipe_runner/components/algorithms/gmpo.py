"""Geometric-mean policy optimization."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.generation import (
    GENERATION_MANAGED,
    Batching,
    Groups,
    ReferenceSync,
)
from recipe_runner.components.prompts import PROMPT_ROWS
from recipe_runner.plan import Feed, Shape

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Gmpo(Groups, Batching, ReferenceSync, Algorithm):
    """Geometric-mean policy optimization: `grpo` whose answers are weighed by the geometric mean of their tokens.

    Use it like `grpo`, where answers can be judged by rules or a model (`rewards`), when a run
    with it is unsteady. A single token whose probability moved far hardly changes the
    geometric mean, so clipping can be wide and the model explores more. Each answer counts
    alike, whatever its length.

    Source: arXiv 2507.20673, equation 4; `trl.experimental.gmpo.GMPOTrainer`.
    """

    type: Literal["gmpo"]
    epsilon: Positive = 0.4
    """How far the logarithm of a token's probability may fall in one round of answers before it is clipped."""
    epsilon_high: Positive | None = None
    """How far it may rise; null is `epsilon`."""
    beta: NonNegative = 0.0
    """Weight of the distance to the reference; 0 needs no reference model, 0.001 to 0.04 is usual otherwise."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """Divide advantages by the spread of rewards in the group or the batch, or not."""
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = (
        "sum_then_normalize"
    )
    """With several rewards, whether they are summed before they are compared, or after (GDPO, arXiv 2601.05242)."""
    mask_truncated_completions: bool = False
    """Leave answers that broke off at `max_completion_length` out of the loss."""
    top_entropy_quantile: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Train on this share of the tokens only, those where the model was least sure (arXiv 2506.01939)."""
    disable_dropout: bool = False
    """Switch dropout off."""
    cast_lm_head_to_fp32: bool = False
    """Compute the last layer in float32, which brings training and vLLM closer together."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens."""

    upstream: ClassVar[str | None] = "trl.experimental.gmpo:GMPOConfig"
    trainer: ClassVar[str] = "trl.experimental.gmpo:GMPOTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # TRL's default; ten times that with an adapter, as for the other algorithms.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    rewarded: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss", "reward", "reward_std", "entropy")
    # After the batches, what the losses of `grpo` look at and this one does not.
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | {
        "generation_batch_size",
        "loss_type",
        "delta",
        "importance_sampling_level",
        "entropy_coef",
        "use_adaptive_entropy",
        "entropy_coef_min",
        "entropy_coef_max",
        "entropy_coef_delta",
        "entropy_target",
        "sapo_temperature_neg",
        "sapo_temperature_pos",
        "vespo_k_pos",
        "vespo_lambda_pos",
        "vespo_k_neg",
        "vespo_lambda_neg",
        "off_policy_mask_threshold",
        "use_bias_correction_kl",
        "router_aux_loss_coef",
        "vllm_importance_sampling_correction",
        "vllm_importance_sampling_mode",
        "vllm_importance_sampling_clip_max",
        "vllm_importance_sampling_clip_min",
    }
    equation: ClassVar[str] = (
        "A_i = (r_i - mean(r)) / std(r) over the answers i = 1..G to one prompt\n"
        "l_it = log p(token t of answer i) - log p_old(token t of answer i)\n"
        "m_i = mean over t of: min( l_it, epsilon_high ) if A_i > 0, max( l_it, -epsilon ) if not\n"
        "L = -E[ exp(m_i) * A_i ] + beta * KL(p || ref)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PROMPT_ROWS
    snippet: ClassVar[str] = (
        "algorithm: {type: gmpo, num_generations: 8}\nrewards: {type: exact_match, column: answer}"
    )

    @property
    def needs_reference(self) -> bool:
        """Only where the distance to it is a part of the loss."""
        return self.beta > 0

    def arguments(self) -> dict[str, Any]:
        """The fields, and that no correction is computed which the loss does not look at."""
        return {**super().arguments(), "vllm_importance_sampling_correction": False}

    def conflicts(self) -> Iterable[Conflict]:
        """Combinations that upstream refuses, or passes over."""
        yield from self.generation_conflicts()
        yield from self.sync_conflicts()
        if self.sync_ref_model and not self.needs_reference:
            message = "`algorithm.sync_ref_model` moves a reference, and `beta: 0` has none"
            yield Conflict("sync_ref_model", message, "set `beta`, or remove it")
