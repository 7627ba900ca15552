"""Odds ratio preference optimization."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.pairs import MANAGED, PAIR_ROWS
from recipe_runner.plan import Feed, Shape


class Orpo(Algorithm):
    """Odds ratio preference optimization: the model learns the better answers, and to prefer them, in one step.

    Use it on a base model in place of `sft` and `dpo` one after the other: the loss is that
    of supervised fine-tuning plus a term for the pair, so it needs no reference model and no
    stage before it. `dpo` after `sft` is better where the pairs are few beside the
    conversations, or where the model should stay near what it is. As in the authors' code,
    the supervised part trains on the prompt as well as on the better answer, and counts
    every token alike; the pair is compared by the mean log-probability of a token.

    Source: arXiv 2403.07691, equations 6 and 7; `trl.experimental.orpo.ORPOTrainer`.
    """

    type: Literal["orpo"]
    beta: Annotated[float, Field(gt=0)] = 0.1
    """Weight of the pair beside the better answer's own loss (lambda in the paper); 0.1 to 0.25 is usual."""
    disable_dropout: bool = True
    """Switch dropout off."""

    upstream: ClassVar[str | None] = "trl.experimental.orpo:ORPOConfig"
    trainer: ClassVar[str] = "trl.experimental.orpo:ORPOTrainer"
    feed: ClassVar[Feed] = "labelled_pairs"
    experimental: ClassVar[bool] = True
    example_shapes: ClassVar[tuple[Shape, ...]] = ("preference",)
    # Mistral-ORPO, appendix C of the paper; ten times that for adapters.
    recommended_learning_rate: ClassVar[float] = 5e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 5e-5
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "rewards/accuracies",
        "rewards/margins",
        "rewards/chosen",
        "rewards/rejected",
        "nll_loss",
        "log_odds_ratio",
        "log_odds_chosen",
    )
    managed: ClassVar[frozenset[str]] = MANAGED
    equation: ClassVar[str] = (
        "L = NLL(prompt and chosen) - beta * E[ log sigmoid( log odds(chosen) / odds(rejected) ) ]\n"
        "odds(y) = p(y) / (1 - p(y))\n"
        "p(y) = probability of a token of the answer y, in the geometric mean"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PAIR_ROWS
    snippet: ClassVar[str] = "algorithm: {type: orpo, beta: 0.1}"
