"""Simple preference optimization."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.pairs import MANAGED, PAIR_ROWS
from recipe_runner.plan import Feed, Shape


class Simpo(Algorithm):
    """Simple preference optimization: `dpo` without a reference, and with no advantage for longer answers.

    Use it after supervised fine-tuning, with pairs of answers that the model itself could have
    given. The reward of an answer is the mean log-probability of its tokens, so no reference
    is in memory, and a step is cheaper than one of `dpo`. Nothing holds the model in place
    either, so the learning rate has to be small: at 1e-5 in full it begins to babble. `dpo` is
    better where the model must not move far. With `cpo_alpha` above 0 it is CPO-SimPO, which
    the better answers hold in place.

    Source: arXiv 2405.14734, equation 6; `trl.experimental.cpo.CPOTrainer`.
    """

    type: Literal["simpo"]
    beta: Annotated[float, Field(gt=0)] = 2.0
    """How sharply rewards are told apart; 2 to 10, far above `dpo`'s, because a mean per token is small."""
    simpo_gamma: Annotated[float, Field(ge=0)] = 1.0
    """Margin that the better answer's reward should have; tune its ratio to `beta`, 0.1 to 1, from 0.5."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of pairs whose two answers are thought to be swapped."""
    cpo_alpha: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the better answer's own cross-entropy; 0 is SimPO, 1 is CPO-SimPO, which moves the model less."""
    disable_dropout: bool = True
    """Switch dropout off."""

    upstream: ClassVar[str | None] = "trl.experimental.cpo:CPOConfig"
    trainer: ClassVar[str] = "trl.experimental.cpo:CPOTrainer"
    feed: ClassVar[Feed] = "labelled_pairs"
    experimental: ClassVar[bool] = True
    example_shapes: ClassVar[tuple[Shape, ...]] = ("preference",)
    # Like `beta` and the margin, those of the authors for Llama 3 8B; ten times for adapters.
    recommended_learning_rate: ClassVar[float] = 6e-7
    recommended_learning_rate_with_adapter: ClassVar[float] = 6e-6
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "rewards/accuracies",
        "rewards/margins",
        "rewards/chosen",
        "rewards/rejected",
        "nll_loss",
    )
    managed: ClassVar[frozenset[str]] = MANAGED | {"alpha", "loss_type"}
    equation: ClassVar[str] = (
        "L = -E[ log sigmoid( r(chosen) - r(rejected) - simpo_gamma ) ] + cpo_alpha * NLL(chosen)\n"
        "r(y) = beta * log p(y) / number of tokens of y\n"
        "p(y) = probability of the answer y after the prompt"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PAIR_ROWS
    snippet: ClassVar[str] = "algorithm: {type: simpo, beta: 2.0, simpo_gamma: 1.0}"

    def arguments(self) -> dict[str, Any]:
        """The fields, and what makes SimPO of upstream's CPO."""
        return {**super().arguments(), "loss_type": "simpo", "alpha": 0.0}

    def conflicts(self) -> Iterable[Conflict]:
        """A scale that was meant for sums of log-probabilities."""
        if self.beta < 1:
            message = (
                f"`algorithm.beta` is {self.beta:g}, and the rewards are means per token, which "
                "hardly differ at that scale"
            )
            yield Conflict("beta", message, "2 to 10 is usual", "warning")
