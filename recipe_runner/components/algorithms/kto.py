"""Learning from answers that were judged good or bad, one by one."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.base import OWN
from recipe_runner.components.generation import ReferenceSync
from recipe_runner.components.other_model import OtherModel, OtherModelField
from recipe_runner.components.pairs import MANAGED
from recipe_runner.plan import Feed, Shape

Positive = Annotated[float, Field(gt=0)]


class Kto(ReferenceSync, Algorithm):
    """Kahneman-Tversky optimization: good answers become likelier and bad ones less likely, without pairs.

    Use it where each answer has its own verdict, such as a thumb up or down, and no other
    answer to the same prompt stands beside it. Both verdicts have to occur. Where the answers
    come in pairs, `dpo` learns from the comparison as well. The model is held near its start,
    the reference, as in `dpo`. With `loss_type: kto` an answer counts as far as it moves more
    than answers in general; how far those move is estimated from the batch, each prompt with
    the answer of its neighbour. So a batch has at least two rows, and the rows keep one order
    for the whole run. `apo_zero_unpaired` does without the estimate, for good answers that are
    better than what the model says by itself.

    Source: arXiv 2402.01306, equation 7; `trl.KTOTrainer`. APO is arXiv 2408.06266.
    """

    type: Literal["kto"]
    loss_type: Literal["kto", "apo_zero_unpaired"] = "kto"
    """`kto` compares with how far answers move in general, `apo_zero_unpaired` with no movement at all."""
    beta: Positive = 0.1
    """How near the model stays to the reference; 0.01 lets it go far, 0.5 hardly. Less wants a lower learning rate."""
    desirable_weight: Positive = 1.0
    """Weight of good answers; raise it where they are rare, until weight x rows is 1 to 4/3 times that of bad ones."""
    undesirable_weight: Positive = 1.0
    """Weight of bad answers; the same where those are rare. Change one of the two, and leave the other at 1."""
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

    upstream: ClassVar[str | None] = "trl:KTOConfig"
    trainer: ClassVar[str] = "trl:KTOTrainer"
    reads_head: ClassVar[bool] = True
    feed: ClassVar[Feed] = "judged"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("unpaired_preference",)
    # TRL's default; its guide to KTO advises 5e-7 to 5e-6, in full and with LoRA alike.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 5e-6
    fixed_order: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "rewards/margins",
        "rewards/chosen",
        "rewards/rejected",
        "kl",
        "entropy",
    )
    managed: ClassVar[frozenset[str]] = MANAGED
    equation: ClassVar[str] = (
        "L = E[ w(y) * (1 - sigmoid( beta * s(y) * (log p(y) / ref(y) - z) )) ]\n"
        "s(y) = 1 for a good answer, -1 for a bad one; w(y) = desirable_weight or undesirable_weight\n"
        "z = max(0, mean of log p(y') / ref(y') over mismatched answers y'), without a gradient\n"
        "    (0 for apo_zero_unpaired)\n"
        "p(y) = probability of the answer y after the prompt, ref(y) the same for the reference"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"prompt": "2 + 2 =", "completion": " 4", "label": True},
        {
            "prompt": [{"role": "user", "content": "Which planet is red?"}],
            "completion": [{"role": "assistant", "content": "Planets are fascinating."}],
            "label": False,
        },
        {
            "messages": [
                {"role": "user", "content": "Is 91 prime?"},
                {"role": "assistant", "content": "No: 7 x 13 = 91."},
            ],
            "kto_tag": True,
        },
    )
    snippet: ClassVar[str] = "algorithm: {type: kto, beta: 0.1}"

    @property
    def needs_reference(self) -> bool:
        """Always: the loss is taken of differences to it."""
        return True

    @property
    def smallest_micro_batch(self) -> int:
        """Two rows where an answer is compared with its neighbour's."""
        return 2 if self.loss_type == "kto" else 1

    def models(self) -> Mapping[str, OtherModel]:
        """The reference, where the recipe names one."""
        return {} if self.ref_model is None else {"ref_model": self.ref_model}

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.KTOTrainer` refuses after loading, and what has no effect."""
        yield from self.sync_conflicts()
        if self.sync_ref_model and self.precompute_ref_log_probs:
            message = "`algorithm.sync_ref_model` changes the reference that `precompute_ref_log_probs` asks once"
            yield Conflict("sync_ref_model", message, "turn one of them off")
        if self.precompute_ref_batch_size is not None and not self.precompute_ref_log_probs:
            message = "`algorithm.precompute_ref_batch_size` has no effect without `precompute_ref_log_probs`"
            help_text = "set `precompute_ref_log_probs: true`, or remove it"
            yield Conflict("precompute_ref_batch_size", message, help_text, "warning")
        if 1 not in (self.desirable_weight, self.undesirable_weight):
            message = (
                f"`algorithm.desirable_weight` is {self.desirable_weight:g} and `undesirable_weight` "
                f"is {self.undesirable_weight:g}, which changes the size of the loss beside its balance"
            )
            help_text = f"for the same balance, set one to 1 and the other to {self._balance()}"
            yield Conflict("undesirable_weight", message, help_text, "warning")

    def _balance(self) -> str:
        """The weights' ratio, as the weight of the kind that weighs more."""
        good, bad = self.desirable_weight, self.undesirable_weight
        name = "desirable" if good > bad else "undesirable"
        return f"{max(good, bad) / min(good, bad):g} (`{name}_weight`)"
