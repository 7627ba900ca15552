"""Contrastive preference optimization."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.pairs import MANAGED, PAIR_ROWS
from recipe_runner.plan import Feed, Shape


class Cpo(Algorithm):
    """Contrastive preference optimization: `dpo` without a reference, held in place by the better answers themselves.

    Use it where memory for a reference is short, and where the better answers are worth
    imitating as they stand, as in translation, for which it was made. The loss compares the
    two answers, and adds the cross-entropy of the better one. `dpo` is safer where the better
    answers are only less bad than the others. `simpo` is the same trainer with answers
    compared by the mean of their tokens, so that length does not count.

    Source: arXiv 2401.08417, section 3; `trl.experimental.cpo.CPOTrainer`. SLiC is arXiv
    2305.10425, IPO 2310.12036.
    """

    type: Literal["cpo"]
    loss_type: Literal["sigmoid", "hinge", "ipo"] = "sigmoid"
    """`sigmoid` is the paper's; `hinge` stops at a margin of 1 / beta (SLiC), `ipo` aims at one of 1 / (2 beta)."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """How sharply the answers are told apart; 0.1 to 0.5 is usual. With `ipo`, less aims at a wider margin."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of pairs whose two answers are thought to be swapped, with `sigmoid`."""
    cpo_alpha: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the better answer's own cross-entropy; at 0 nothing keeps both answers from becoming unlikely."""
    disable_dropout: bool = True
    """Switch dropout off."""

    upstream: ClassVar[str | None] = "trl.experimental.cpo:CPOConfig"
    trainer: ClassVar[str] = "trl.experimental.cpo:CPOTrainer"
    feed: ClassVar[Feed] = "labelled_pairs"
    experimental: ClassVar[bool] = True
    example_shapes: ClassVar[tuple[Shape, ...]] = ("preference",)
    # TRL's default, and ten times that; the paper's translation models took 1e-4 with LoRA.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "rewards/accuracies",
        "rewards/margins",
        "rewards/chosen",
        "rewards/rejected",
        "nll_loss",
    )
    managed: ClassVar[frozenset[str]] = MANAGED | {"alpha", "simpo_gamma"}
    equation: ClassVar[str] = (
        "L = -E[ log sigmoid( beta * (log p(chosen) - log p(rejected)) ) ] + cpo_alpha * NLL(chosen)\n"
        "p(y) = probability of the answer y after the prompt"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PAIR_ROWS
    snippet: ClassVar[str] = "algorithm: {type: cpo, cpo_alpha: 1.0}"

    def arguments(self) -> dict[str, Any]:
        """The fields, and the shape of the reward, which is the plain log-probability."""
        return {**super().arguments(), "alpha": 0.0}

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.experimental.cpo.CPOTrainer` passes over."""
        if self.label_smoothing and self.loss_type != "sigmoid":
            message = f"`algorithm.label_smoothing` has no effect on {self.loss_type}"
            help_text = "use it with sigmoid, or remove it"
            yield Conflict("label_smoothing", message, help_text, "warning")
        if self.loss_type == "ipo" and self.beta >= 1:
            message = (
                f"`algorithm.beta` is {self.beta:g}, which aims at a margin of "
                f"{1 / (2 * self.beta):.2g} per token with ipo"
            )
            yield Conflict("beta", message, "0.01 to 0.5 is usual", "warning")
