"""Group relative policy optimization, and the family of losses around it."""

from collections.abc import Iterable, Iterator, Mapping
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
Share = Annotated[float, Field(ge=0, le=1)]

_SUMMED_OVER_TOKENS = ("bnpo", "dr_grpo", "dapo", "cispo")
_CLIPPED_BOTH_WAYS = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")
"""Losses of the smaller of two products, which `delta` bounds."""
_OF_ADAPTIVE_ENTROPY = (
    "entropy_coef_min",
    "entropy_coef_max",
    "entropy_coef_delta",
    "entropy_target",
)


class Grpo(Groups, Batching, ReferenceSync, Algorithm):
    """Group relative policy optimization: of several answers to a prompt, the better ones become likelier.

    Use it where answers can be judged by rules or a model (`rewards`): mathematics, code,
    formats. It needs no value model; the mean reward of a group of answers stands for it.
    `loss_type` chooses how tokens and answers are averaged: `grpo` each answer alike
    (arXiv 2402.03300), `dapo` each token alike (2503.14476), `dr_grpo` without the bias for
    short answers (2503.20783), `bnpo` over the batch, `cispo` clips weights instead of
    updates (2506.13585), `sapo` fades updates softly (2511.20347), `luspo` and `vespo` weigh
    whole answers. `importance_sampling_level: sequence` with `loss_type: grpo` is GSPO
    (2507.18071).

    Source: arXiv 2402.03300, equation 3; `trl.GRPOTrainer`.
    """

    type: Literal["grpo"]
    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"] = (
        "dapo"
    )
    """How the losses of tokens become one; `dapo` weighs every token of the batch alike."""
    beta: NonNegative = 0.0
    """Weight of the distance to the reference; 0 needs no reference model, 0.001 to 0.04 is usual otherwise."""
    epsilon: Positive = 0.2
    """How far a token's probability may move in one round of answers before it is clipped, as a fraction."""
    epsilon_high: Positive | None = None
    """The same upwards; null is `epsilon`, DAPO uses 0.28."""
    delta: Positive | None = None
    """Upper bound of the weight of unlikely tokens with a bad reward (two-sided clipping, arXiv 2505.07291)."""
    importance_sampling_level: Literal["token", "sequence"] = "token"
    """Compare probabilities of tokens, or of whole answers (GSPO)."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """Divide advantages by the spread of rewards in the group or the batch, or not (Dr. GRPO)."""
    multi_objective_aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = (
        "sum_then_normalize"
    )
    """With several rewards, whether they are summed before they are compared, or after (GDPO, arXiv 2601.05242)."""
    mask_truncated_completions: bool = False
    """Leave answers that broke off at `max_completion_length` out of the loss."""
    top_entropy_quantile: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Train on this share of the tokens only, those where the model was least sure (arXiv 2506.01939)."""
    entropy_coef: float = 0.0
    """Weight of a bonus for unsure answers, against collapse; small, such as 0.001."""
    use_adaptive_entropy: bool = False
    """Change that weight during the run so that the entropy stays near `entropy_target`."""
    entropy_coef_min: float = 0.0
    """Smallest weight that it may take."""
    entropy_coef_max: float = 1.0
    """Largest weight that it may take."""
    entropy_coef_delta: Positive = 0.005
    """Change of the weight in a step."""
    entropy_target: NonNegative = 0.2
    """Entropy to stay near, in nats per token."""
    sapo_temperature_neg: Positive = 1.05
    """Temperature of `sapo` for bad answers."""
    sapo_temperature_pos: Positive = 1.0
    """Temperature of `sapo` for good answers."""
    vespo_k_pos: Positive = 2.0
    """Shape of the weight of good answers with `vespo`."""
    vespo_lambda_pos: Positive = 3.0
    """Rate of the weight of good answers with `vespo`."""
    vespo_k_neg: Positive = 3.0
    """Shape of the weight of bad answers with `vespo`."""
    vespo_lambda_neg: Positive = 2.0
    """Rate of the weight of bad answers with `vespo`."""
    off_policy_mask_threshold: Positive | None = None
    """Leave bad answers out that the model has moved away from by more than this, in nats (arXiv 2512.02556)."""
    use_bias_correction_kl: bool = True
    """Weigh the distance to the reference as the loss is weighed, so that it is unbiased."""
    vllm_importance_sampling_correction: bool = True
    """Correct for vLLM computing slightly other probabilities than the training does."""
    vllm_importance_sampling_mode: Literal[
        "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"
    ] = "sequence_mask"
    """Whether large corrections are cut or masked, for tokens or whole answers."""
    vllm_importance_sampling_clip_max: Positive | None = 3.0
    """Largest correction."""
    vllm_importance_sampling_clip_min: Positive | None = None
    """Smallest correction."""
    disable_dropout: bool = False
    """Switch dropout off."""
    cast_lm_head_to_fp32: bool = False
    """Compute the last layer in float32, which brings training and vLLM closer together."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens."""
    router_aux_loss_coef: NonNegative | None = None
    """Weight of the load-balancing loss of mixture-of-experts models; null leaves the model's own."""

    upstream: ClassVar[str | None] = "trl:GRPOConfig"
    trainer: ClassVar[str] = "trl:GRPOTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    rewarded: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss", "reward", "reward_std", "entropy")
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | {"generation_batch_size"}
    equation: ClassVar[str] = (
        "A_i = (r_i - mean(r)) / std(r) over the answers i = 1..G to one prompt\n"
        "L = -E[ min( w_it * A_i, clip(w_it, 1 - epsilon, 1 + epsilon_high) * A_i ) ] + beta * KL(p || ref)\n"
        "w_it = p(token t of answer i) / p_old(token t of answer i)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PROMPT_ROWS
    snippet: ClassVar[str] = (
        "algorithm: {type: grpo, num_generations: 8}\nrewards: {type: exact_match, column: answer}"
    )

    @property
    def needs_reference(self) -> bool:
        """Only where the distance to it is a part of the loss."""
        return self.beta > 0

    def conflicts(self) -> Iterable[Conflict]:
        """Combinations that upstream refuses, warns about, or passes over."""
        yield from self.generation_conflicts()
        yield from self.sync_conflicts()
        yield from self._idle()
        if self.entropy_coef_min > self.entropy_coef_max:
            least, most = self.entropy_coef_min, self.entropy_coef_max
            message = f"`algorithm.entropy_coef_min` is {least:g}, above the largest, {most:g}"
            yield Conflict("entropy_coef_min", message, "lower it")
        if self.importance_sampling_level == "sequence" and self.loss_type in _SUMMED_OVER_TOKENS:
            message = f"`importance_sampling_level: sequence` is weighed by length with `loss_type: {self.loss_type}`"
            help_text = "GSPO is `loss_type: grpo`"
            yield Conflict("importance_sampling_level", message, help_text, "warning")
        if self.loss_type == "luspo" and self.importance_sampling_level != "sequence":
            message = "`loss_type: luspo` is defined for `importance_sampling_level: sequence`"
            yield Conflict("loss_type", message, "set it, as arXiv 2602.05261 does", "warning")
        if self.loss_type == "vespo" and self.importance_sampling_level != "token":
            message = "`loss_type: vespo` weighs whole answers on its own"
            help_text = "use `importance_sampling_level: token`"
            yield Conflict("importance_sampling_level", message, help_text, "warning")
        if self.sync_ref_model and not self.needs_reference:
            message = "`algorithm.sync_ref_model` moves a reference, and `beta: 0` has none"
            yield Conflict("sync_ref_model", message, "set `beta`, or remove it")
        low, high = self.vllm_importance_sampling_clip_min, self.vllm_importance_sampling_clip_max
        if low is not None and high is not None and low >= high:
            message = f"`algorithm.vllm_importance_sampling_clip_min` is {low:g}, not below the largest, {high:g}"
            yield Conflict("vllm_importance_sampling_clip_min", message, "lower it")
        if (low, high) == (None, None) and self.vllm_importance_sampling_mode.endswith("truncate"):
            message = f"`vllm_importance_sampling_mode: {self.vllm_importance_sampling_mode}` has no bound to cut at"
            help_text = "set `vllm_importance_sampling_clip_max`"
            yield Conflict("vllm_importance_sampling_mode", message, help_text)

    def _idle(self) -> Iterator[Conflict]:
        """Options of another loss, and of terms that are off."""
        fields = type(self).model_fields
        changed = [name for name in fields if getattr(self, name) != fields[name].default]
        for name in changed:
            loss = name.partition("_")[0]
            if loss in ("sapo", "vespo") and loss != self.loss_type:
                message = f"`algorithm.{name}` has no effect with `loss_type: {self.loss_type}`"
                yield Conflict(name, message, f"use `{loss}`, or remove it", "warning")
            if name in _OF_ADAPTIVE_ENTROPY and not self.use_adaptive_entropy:
                message = f"`algorithm.{name}` has no effect without `use_adaptive_entropy`"
                yield Conflict(name, message, "set that, or remove this", "warning")
        if self.delta is not None and self.loss_type not in _CLIPPED_BOTH_WAYS:
            message = f"`algorithm.delta` has no effect with `loss_type: {self.loss_type}`"
            help_text = f"use it with {', '.join(_CLIPPED_BOTH_WAYS)}, or remove it"
            yield Conflict("delta", message, help_text, "warning")
        if "use_bias_correction_kl" in changed and self.beta == 0:
            message = "`algorithm.use_bias_correction_kl` has no effect with `beta: 0`"
            yield Conflict("use_bias_correction_kl", message, "set `beta`, or remove it", "warning")
        if "scale_rewards" in changed and self.multi_objective_aggregation == "normalize_then_sum":
            message = "`algorithm.scale_rewards` has no effect with `normalize_then_sum`"
            help_text = "remove it, or `multi_objective_aggregation`"
            yield Conflict("scale_rewards", message, help_text, "warning")
