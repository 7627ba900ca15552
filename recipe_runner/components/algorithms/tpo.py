"""Triple preference optimization."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.pairs import MANAGED
from recipe_runner.plan import Feed, Shape


class Tpo(Algorithm):
    """Triple preference optimization: the model imitates a very good answer, and learns from a pair of others.

    Use it where each prompt has three answers or more, ranked: the best is the `reference`,
    which is imitated; the next and the worst are the pair. It needs no reference model, and no
    supervised stage before it. With two answers to a prompt, `cpo` does the same with the
    better one in both places, and `dpo` stays nearer to the model as it is.
    Every row has to hold a reference answer, in the column `reference` or the format's
    `reference_column`.

    Source: arXiv 2405.16681; `trl.experimental.tpo.TPOTrainer`.
    """

    type: Literal["tpo"]
    loss_type: Literal["sigmoid", "hinge", "ipo", "tpo-l"] = "sigmoid"
    """How the pair is compared: `sigmoid` is TPO, `tpo-l` takes means per token, `hinge` and `ipo` are as in `cpo`."""
    beta: Annotated[float, Field(gt=0)] = 0.01
    """How sharply the pair is told apart; 0.01 to 0.1 is usual, and 2 to 10 with `tpo-l`, because means are small."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Share of pairs whose two answers are thought to be swapped, with `sigmoid` and `tpo-l`."""
    tpo_alpha: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the reference answer's cross-entropy; more imitates it more, 0 leaves it out."""
    tpo_l_gamma: Annotated[float, Field(ge=0)] = 0.5
    """Margin that the better answer's reward should have, with `tpo-l`; tune its ratio to `beta`."""
    disable_dropout: bool = True
    """Switch dropout off."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens; 8 to 128 suits some kernels."""

    upstream: ClassVar[str | None] = "trl.experimental.tpo:TPOConfig"
    trainer: ClassVar[str] = "trl.experimental.tpo:TPOTrainer"
    feed: ClassVar[Feed] = "triples"
    experimental: ClassVar[bool] = True
    example_shapes: ClassVar[tuple[Shape, ...]] = ("preference",)
    # TRL's default, and ten times that for adapters.
    recommended_learning_rate: ClassVar[float] = 5e-7
    recommended_learning_rate_with_adapter: ClassVar[float] = 5e-6
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "rewards/accuracies",
        "rewards/margins",
        "rewards/chosen",
        "rewards/rejected",
        "mean_token_accuracy",
        "entropy",
    )
    managed: ClassVar[frozenset[str]] = MANAGED
    equation: ClassVar[str] = (
        "L = -E[ log sigmoid( beta * (log p(chosen) - log p(rejected)) ) ] + tpo_alpha * NLL(reference)\n"
        "p(y) = probability of the answer y after the prompt"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {
            "prompt": "2 + 2 =",
            "reference": " 4, since 2 + 2 = 1 + 1 + 1 + 1.",
            "chosen": " 4",
            "rejected": " 5",
        },
        {
            "prompt": [{"role": "user", "content": "Which planet is red?"}],
            "reference": [{"role": "assistant", "content": "Mars: its soil holds rust."}],
            "chosen": [{"role": "assistant", "content": "Mars."}],
            "rejected": [{"role": "assistant", "content": "Planets are fascinating."}],
        },
        {
            "reference": [
                {"role": "user", "content": "Is 91 prime?"},
                {"role": "assistant", "content": "No: 7 x 13 = 91."},
            ],
            "chosen": [
                {"role": "user", "content": "Is 91 prime?"},
                {"role": "assistant", "content": "No."},
            ],
            "rejected": [
                {"role": "user", "content": "Is 91 prime?"},
                {"role": "assistant", "content": "Yes."},
            ],
        },
    )
    snippet: ClassVar[str] = "algorithm: {type: tpo, beta: 0.01}"

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.experimental.tpo.TPOTrainer` passes over, and scales of another loss."""
        if self.label_smoothing and self.loss_type in ("hinge", "ipo"):
            message = f"`algorithm.label_smoothing` has no effect on {self.loss_type}"
            help_text = "use it with sigmoid or tpo-l, or remove it"
            yield Conflict("label_smoothing", message, help_text, "warning")
        margin = type(self).model_fields["tpo_l_gamma"].default
        if self.tpo_l_gamma != margin and self.loss_type != "tpo-l":
            message = f"`algorithm.tpo_l_gamma` has no effect on {self.loss_type}"
            yield Conflict(
                "tpo_l_gamma", message, "set `loss_type: tpo-l`, or remove it", "warning"
            )
        if self.loss_type == "tpo-l" and self.beta < 1:
            message = (
                f"`algorithm.beta` is {self.beta:g}, and the rewards of tpo-l are means per token, "
                "which hardly differ at that scale"
            )
            field = "beta" if "beta" in self.model_fields_set else "loss_type"
            yield Conflict(field, message, "2 to 10 is usual", "warning")
        if self.loss_type == "ipo" and self.beta >= 1:
            message = (
                f"`algorithm.beta` is {self.beta:g}, which aims at a margin of "
                f"{1 / (2 * self.beta):.2g} per token with ipo"
            )
            yield Conflict("beta", message, "0.01 to 0.5 is usual", "warning")
        if self.tpo_alpha == 0:
            message = "`algorithm.tpo_alpha` is 0, which leaves the reference answers out"
            yield Conflict("tpo_alpha", message, "raise it, or use `cpo` on the pairs", "warning")
