"""SimPO with a reward of another shape."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.pairs import MANAGED, PAIR_ROWS
from recipe_runner.plan import Feed, Shape


class Alphapo(Algorithm):
    """AlphaPO: `simpo` with a reward that is bent, so that the better answer need not become unlikely with the worse.

    Use it where `simpo` or `dpo` tells the answers apart, and both become less likely all the
    same. Above 0, `alpha` weighs unlikely answers more and likely ones less than a logarithm
    does; below 0 it is the other way round. Try `simpo` first: it has one number less to tune.

    Source: arXiv 2501.03884; `trl.experimental.cpo.CPOTrainer`.
    """

    type: Literal["alphapo"]
    alpha: Annotated[float, Field(ge=-1, le=1)] = 0.25
    """Shape of the reward; near 0 it is the logarithm. 0.1 to 0.25 is usual, and larger ones bend it more."""
    beta: Annotated[float, Field(gt=0)] = 2.5
    """How sharply rewards are told apart; 2 to 10, far above `dpo`'s, because a mean per token is small."""
    simpo_gamma: Annotated[float, Field(ge=0)] = 0.1
    """Margin that the better answer's reward should have; tune its ratio to `beta`, up to 1."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of pairs whose two answers are thought to be swapped."""
    disable_dropout: bool = True
    """Switch dropout off."""

    upstream: ClassVar[str | None] = "trl.experimental.cpo:CPOConfig"
    trainer: ClassVar[str] = "trl.experimental.cpo:CPOTrainer"
    feed: ClassVar[Feed] = "labelled_pairs"
    experimental: ClassVar[bool] = True
    example_shapes: ClassVar[tuple[Shape, ...]] = ("preference",)
    # Like the other numbers, the paper's for Mistral 7B Instruct; ten times for adapters.
    recommended_learning_rate: ClassVar[float] = 7e-7
    recommended_learning_rate_with_adapter: ClassVar[float] = 7e-6
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "rewards/accuracies",
        "rewards/margins",
        "rewards/chosen",
        "rewards/rejected",
    )
    managed: ClassVar[frozenset[str]] = MANAGED | {"cpo_alpha", "loss_type"}
    equation: ClassVar[str] = (
        "L = -E[ log sigmoid( r(chosen) - r(rejected) - simpo_gamma ) ]\n"
        "r(y) = beta * (1 - m(y)^(-alpha)) / alpha\n"
        "m(y) = probability of a token of the answer y, in the geometric mean"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PAIR_ROWS
    snippet: ClassVar[str] = "algorithm: {type: alphapo, alpha: 0.25}"

    def arguments(self) -> dict[str, Any]:
        """The fields, and what makes AlphaPO of upstream's CPO."""
        return {**super().arguments(), "loss_type": "simpo", "cpo_alpha": 0.0}

    def conflicts(self) -> Iterable[Conflict]:
        """A shape that is none, and a scale that was meant for sums of log-probabilities."""
        if self.alpha == 0:
            message = "`algorithm.alpha` is 0, which is the reward of `simpo`"
            yield Conflict("alpha", message, "use `simpo`, or set it, such as 0.25", "warning")
        if self.beta < 1:
            message = (
                f"`algorithm.beta` is {self.beta:g}, and the rewards are means per token, which "
                "hardly differ at that scale"
            )
            yield Conflict("beta", message, "2 to 10 is usual", "warning")
