"""Reward models: which of two answers people would prefer, as a number for each."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.pairs import MANAGED, PAIR_ROWS
from recipe_runner.plan import Feed, Shape, Task


class RewardModel(Algorithm):
    """A reward model: it reads a prompt with an answer and gives a number, higher for the better of two answers.

    Use it to judge answers in reinforcement learning (`rewards`), to rank several answers, or
    to filter data. The language model's last layer is replaced by one of a single number, read
    at the last token. Where a rule can judge the answers, the rule is better: it cannot be
    deceived. Where only a better model is wanted and no judge, `dpo` learns from the same
    pairs directly. A row's `margin` says by how much its better answer should win.

    Source: arXiv 2203.02155, equation 1; margins after arXiv 2307.09288, equation 2;
    `trl.RewardTrainer`.
    """

    type: Literal["reward"]
    center_rewards_coefficient: Annotated[float, Field(gt=0)] | None = None
    """Weight of a term that keeps rewards around zero (arXiv 2312.09244); 0.01 is usual, null leaves it out."""
    disable_dropout: bool = True
    """Switch dropout off, so that both answers are read alike."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens; 8 to 128 suits some kernels."""
    activation_offloading: bool = False
    """Keep activations in CPU memory between forward and backward: slower, smaller."""

    upstream: ClassVar[str | None] = "trl:RewardConfig"
    trainer: ClassVar[str] = "trl:RewardTrainer"
    feed: ClassVar[Feed] = "whole_pairs"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("preference",)
    # Those of TRL's own examples of reward modelling, in full and with LoRA.
    recommended_learning_rate: ClassVar[float] = 1e-5
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-4
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "accuracy",
        "margin",
        "min_reward",
        "mean_reward",
        "max_reward",
    )
    scores: ClassVar[bool] = False
    tasks: ClassVar[tuple[Task, ...]] = ("sequence_classification",)
    num_labels: ClassVar[int | None] = 1
    managed: ClassVar[frozenset[str]] = MANAGED
    equation: ClassVar[str] = (
        "L = -E[ log sigmoid( r(chosen) - r(rejected) - margin ) ]"
        " + center_rewards_coefficient * E[ (r(chosen) + r(rejected))^2 ]\n"
        "r(y) = the model's number for the prompt with the answer y; margin = the row's, or 0"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = (
        PAIR_ROWS[0],
        {**PAIR_ROWS[1], "margin": 1.0},
        PAIR_ROWS[2],
    )
    snippet: ClassVar[str] = "algorithm: {type: reward, center_rewards_coefficient: 0.01}"
