"""Regression onto the best advantage (A*-PO)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.generation import GENERATION_MANAGED, Drawing
from recipe_runner.components.prompts import PROMPT_ROWS
from recipe_runner.plan import Feed, Shape

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class A2po(Drawing, Algorithm):
    """A*-PO: how good the best model would be on a prompt is estimated once, and training is a regression onto that.

    Use it where answers are right or wrong and `rewards` say 1 or 0. Before the first step
    the reference answers every prompt `num_value_samples` times; afterwards one answer to
    each prompt is enough for a step, which makes steps cheaper than those of `grpo`. What the
    reference never gets right in its samples is out of reach. Rewards in finer steps belong
    to `grpo` or `rloo`.

    The first part is repeated when a run goes on from a checkpoint.

    Source: arXiv 2505.20686; `trl.experimental.a2po.A2POTrainer`.
    """

    type: Literal["a2po"]
    max_completion_length: Count = 256
    """Longest answer, in tokens; longer ones break off there."""
    num_value_samples: Count = 8
    """Answers of the reference to each prompt before training; more make the estimate surer, and the start slower."""
    beta1: Positive = 0.5
    """How far the best model may be from the reference; near 0 takes the best of the answers, a large one the mean."""
    filter_all_incorrect: bool = True
    """Leave out prompts that the reference never answered well: there is nothing to learn from them."""
    beta2: Positive = 1e-3
    """How near the model stays to the reference in training; larger values take smaller steps."""

    upstream: ClassVar[str | None] = "trl.experimental.a2po:A2POConfig"
    trainer: ClassVar[str] = "trl.experimental.a2po:A2POTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # TRL leaves transformers' 5e-5; this is what its other trainers on the model's own answers take.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    reads_variables_of_rows: ClassVar[bool] = True
    pads_left: ClassVar[bool] = True
    rewarded: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "reward",
        "v_star",
        "implicit_reward",
        "advantage",
    )
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | {"max_prompt_length"}
    equation: ClassVar[str] = (
        "V = beta1 * log( mean of exp(r(y_i) / beta1) ) over answers y_i of the reference\n"
        "L = E[ ( beta2 * log( p(y) / ref(y) ) - (r(y) - V) )^2 ] for one answer y of the model"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PROMPT_ROWS
    snippet: ClassVar[str] = "algorithm: a2po\nrewards: {type: exact_match, column: answer}"

    @property
    def needs_reference(self) -> bool:
        """Always: it answers before training, and the loss is taken of differences to it."""
        return True
