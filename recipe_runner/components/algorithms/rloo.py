"""REINFORCE with a baseline from the other answers (leave one out)."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict

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


class Rloo(Groups, Batching, ReferenceSync, Algorithm):
    """REINFORCE leave-one-out: an answer is as good as its reward is above the mean of the others to its prompt.

    Use it like `grpo`, where answers can be judged by rules or a model (`rewards`). The whole
    answer is one action: it gets one weight and is clipped as one. The distance to the
    reference is taken off the reward, and the spread of the rewards is left in, so that
    prompts on which answers hardly differ do not count for more. `grpo` has finer control of
    tokens, and is the better choice where each round of answers is trained on several times;
    `rloo` has fewer things to set.

    Source: arXiv 2402.14740, equation 7; `trl.RLOOTrainer`.
    """

    type: Literal["rloo"]
    num_generations: Annotated[int, Field(ge=2)] = 2
    """Answers to each prompt; 4 is steadier than 2, and twice as slow."""
    beta: NonNegative = 0.05
    """What the reward loses with the distance to the reference; 0 needs no reference model, 0.01 to 0.1 is usual."""
    epsilon: Positive = 0.2
    """How far an answer's probability may move in one round of answers before it is clipped, as a fraction."""
    epsilon_high: Positive | None = None
    """The same upwards; null is `epsilon`."""
    normalize_advantages: bool = False
    """Bring the advantages of a round of answers to mean 0 and spread 1; helps where rewards are large or change."""
    reward_clip_range: Annotated[tuple[float, float], Strict(False)] | None = None
    """Smallest and largest reward; what lies outside counts as the bound. Null clips nothing."""
    mask_truncated_completions: bool = False
    """Leave answers that broke off at `max_completion_length` out of the loss."""
    disable_dropout: bool = False
    """Switch dropout off, so that the reference and the model see the same."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens."""
    router_aux_loss_coef: NonNegative | None = None
    """Weight of the load-balancing loss of mixture-of-experts models; null leaves the model's own."""

    upstream: ClassVar[str | None] = "trl:RLOOConfig"
    trainer: ClassVar[str] = "trl:RLOOTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # TRL's default; ten times that with an adapter, as for the other algorithms.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    rewarded: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss", "reward", "reward_std", "entropy")
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | {"generation_batch_size"}
    equation: ClassVar[str] = (
        "r_i = reward of answer i - beta * log( p_old(answer i) / ref(answer i) )\n"
        "A_i = r_i - mean of r_j over the other answers j to the prompt\n"
        "L = -E[ min( w_i * A_i, clip(w_i, 1 - epsilon, 1 + epsilon_high) * A_i ) ]\n"
        "w_i = p(answer i) / p_old(answer i)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PROMPT_ROWS
    snippet: ClassVar[str] = (
        "algorithm: {type: rloo, num_generations: 4}\nrewards: {type: exact_match, column: answer}"
    )

    @property
    def needs_reference(self) -> bool:
        """Only where the distance to it is taken off the reward."""
        return self.beta > 0

    def conflicts(self) -> Iterable[Conflict]:
        """Combinations that upstream refuses, or passes over."""
        yield from self.generation_conflicts()
        yield from self.sync_conflicts()
        if self.sync_ref_model and not self.needs_reference:
            message = "`algorithm.sync_ref_model` moves a reference, and `beta: 0` has none"
            yield Conflict("sync_ref_model", message, "set `beta`, or remove it")
        if self.reward_clip_range is not None:
            low, high = self.reward_clip_range
            if low >= high:
                message = f"`algorithm.reward_clip_range` is [{low:g}, {high:g}], which makes all rewards alike"
                yield Conflict("reward_clip_range", message, "write the smaller bound first")
