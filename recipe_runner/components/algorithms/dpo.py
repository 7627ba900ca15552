"""Direct preference optimization."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.base import OWN, OneOrMany
from recipe_runner.components.generation import ReferenceSync
from recipe_runner.components.other_model import OtherModel, OtherModelField
from recipe_runner.components.pairs import MANAGED, PAIR_ROWS
from recipe_runner.plan import Feed, Shape

Loss = Literal[
    "sigmoid",
    "ipo",
    "hinge",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]
_WITH_DIVERGENCES = (
    "sigmoid",
    "sigmoid_norm",
    "hinge",
    "ipo",
    "exo_pair",
    "robust",
    "discopop",
    "sft",
)
"""Losses of the difference of two log-ratios, in which f-DPO's normalizer cancels (arXiv 2309.16240)."""
_SMOOTHED = ("robust", "exo_pair")
_SORTED = ("aot", "aot_unpaired")


class Dpo(ReferenceSync, Algorithm):
    """Direct preference optimization: answers that people prefer become likelier than those they do not.

    Use it after supervised fine-tuning, with pairs of answers to the same prompt. It needs no
    reward model and generates nothing, so a step costs little more than one of `sft`. The
    model is held near its start, the reference; with an adapter that is the base with the
    adapter switched off, and no second model is in memory. `loss_type` names relatives of the
    loss, and several of them are summed, each with its weight. Of those, `ipo` does not
    drive certain pairs ever further apart, `robust` and `exo_pair` expect some wrong labels,
    and `apo_zero` raises good answers as well as lowering bad ones.

    Source: arXiv 2305.18290, equation 7; `trl.DPOTrainer`.
    """

    type: Literal["dpo"]
    loss_type: Annotated[tuple[Loss, ...], Strict(False), Field(min_length=1), OneOrMany()] = (
        "sigmoid",
    )
    """The loss, or a list of losses that are summed."""
    loss_weights: Annotated[tuple[float, ...], Strict(False)] | None = None
    """A weight for each loss of `loss_type`; null weighs them alike, each 1."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """How near the model stays to the reference; 0.01 lets it go far, 0.5 hardly; `ipo` aims at 1 / (2 beta)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of pairs that are thought to be swapped; `robust` wants less than 0.5, `exo_pair` about 1e-3."""
    f_divergence_type: Literal["reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"] = (
        "reverse_kl"
    )
    """Distance to the reference (f-DPO, arXiv 2309.16240); `reverse_kl` is DPO's own."""
    f_alpha_divergence_coef: float = 0.5
    """Alpha of `alpha_divergence`."""
    ld_alpha: Annotated[float, Field(ge=0, le=1)] | None = None
    """Weight of tokens of the longer answer beyond the shorter one's length (LD-DPO, arXiv 2409.06411); null is 1."""
    use_weighting: bool = False
    """Weigh pairs by how likely the model is to say them (WPO, arXiv 2406.11827)."""
    discopop_tau: Annotated[float, Field(gt=0)] = 0.05
    """Temperature of `discopop`."""
    disable_dropout: bool = True
    """Switch dropout off, so that both models see the same."""
    ref_model: Annotated[OtherModelField | None, OWN] = None
    """The reference; null is the model as it is before the first step."""
    precompute_ref_log_probs: bool = False
    """Ask the reference once before training, and free its memory."""
    precompute_ref_batch_size: Annotated[int, Field(ge=1)] | None = None
    """Sequences at once while doing so; null is the training batch."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens; 8 to 128 suits some kernels."""
    activation_offloading: bool = False
    """Keep activations in CPU memory between forward and backward: slower, smaller."""
    router_aux_loss_coef: Annotated[float, Field(ge=0)] | None = None
    """Weight of the load-balancing loss of mixture-of-experts models; null leaves the model's own."""

    upstream: ClassVar[str | None] = "trl:DPOConfig"
    trainer: ClassVar[str] = "trl:DPOTrainer"
    reads_head: ClassVar[bool] = True
    feed: ClassVar[Feed] = "pairs"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("preference",)
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
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
        "L = -E[ log sigmoid( beta * (log p(chosen) / ref(chosen) - log p(rejected) / ref(rejected)) ) ]\n"
        "p(y) = probability of the answer y after the prompt, ref(y) the same for the reference"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PAIR_ROWS
    snippet: ClassVar[str] = "algorithm: {type: dpo, beta: 0.1}"

    @property
    def needs_reference(self) -> bool:
        """Always: the loss is taken of differences to it."""
        return True

    def models(self) -> Mapping[str, OtherModel]:
        """The reference, where the recipe names one."""
        return {} if self.ref_model is None else {"ref_model": self.ref_model}

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.DPOTrainer` refuses after loading, and what has no effect."""
        yield from self.sync_conflicts()
        kinds, weights = set(self.loss_type), self.loss_weights
        fields = type(self).model_fields
        if weights is not None and len(weights) != len(self.loss_type):
            message = f"`algorithm.loss_weights` has {len(weights)} weights for {len(self.loss_type)} losses"
            yield Conflict("loss_weights", message, "give one weight for each of `loss_type`")
        if "exo_pair" in kinds and self.label_smoothing == 0:
            message = "`loss_type: exo_pair` takes the logarithm of `label_smoothing`, which is 0"
            yield Conflict(
                "loss_type", message, "set `label_smoothing: 1e-3`, as in arXiv 2402.00856"
            )
        if "robust" in kinds and self.label_smoothing >= 0.5:
            message = f"`loss_type: robust` divides by 1 - 2 label_smoothing, and that is {self.label_smoothing:g}"
            yield Conflict("label_smoothing", message, "use less than 0.5")
        if self.label_smoothing and not kinds & set(_SMOOTHED):
            message = f"`algorithm.label_smoothing` has no effect on {', '.join(self.loss_type)}"
            help_text = f"use it with {' or '.join(_SMOOTHED)}, or remove it"
            yield Conflict("label_smoothing", message, help_text, "warning")
        if self.discopop_tau != fields["discopop_tau"].default and "discopop" not in kinds:
            message = f"`algorithm.discopop_tau` has no effect on {', '.join(self.loss_type)}"
            yield Conflict("discopop_tau", message, "use it with discopop, or remove it", "warning")
        alpha = "f_alpha_divergence_coef"
        if (
            getattr(self, alpha) != fields[alpha].default
            and self.f_divergence_type != "alpha_divergence"
        ):
            message = f"`algorithm.{alpha}` has no effect with `f_divergence_type: {self.f_divergence_type}`"
            yield Conflict(alpha, message, "use `alpha_divergence`, or remove it", "warning")
        odd = [kind for kind in self.loss_type if kind not in _WITH_DIVERGENCES]
        if self.f_divergence_type != "reverse_kl" and odd:
            message = f"`algorithm.f_divergence_type` is {self.f_divergence_type}, which {odd[0]} does not know"
            yield Conflict(
                "f_divergence_type", message, f"use it with {', '.join(_WITH_DIVERGENCES)}"
            )
        sorting = [kind for kind in self.loss_type if kind in _SORTED]
        if self.use_weighting and sorting:
            message = f"`algorithm.use_weighting` weighs pairs, and {sorting[0]} sorts their answers apart"
            yield Conflict("use_weighting", message, "remove it, or choose another `loss_type`")
        if self.loss_type == ("ipo",) and self.beta >= 1:
            margin = 1 / (2 * self.beta)
            message = f"`algorithm.beta` is {self.beta:g}, which aims at a margin of {margin:.2g} per token with ipo"
            yield Conflict("beta", message, "0.01 to 0.5 is usual", "warning")
        if self.sync_ref_model and self.precompute_ref_log_probs:
            message = "`algorithm.sync_ref_model` changes the reference that `precompute_ref_log_probs` asks once"
            yield Conflict("sync_ref_model", message, "turn one of them off")
        if self.precompute_ref_batch_size and not self.precompute_ref_log_probs:
            message = "`algorithm.precompute_ref_batch_size` has no effect without `precompute_ref_log_probs`"
            help_text = "set that, or remove this"
            yield Conflict("precompute_ref_batch_size", message, help_text, "warning")
