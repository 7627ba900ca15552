"""Importance-weighted on-policy distillation."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import VLLM, Algorithm, Conflict
from recipe_runner.components.base import OWN
from recipe_runner.components.generation import Drawing, Vllm, VllmContext, VllmPattern
from recipe_runner.components.other_model import OtherModel, OtherModelField
from recipe_runner.components.teacher import ANSWERED_ROWS, TEACHER_MANAGED
from recipe_runner.plan import Feed, Requirement, Shape

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]

_OF_IW_OPD = ("iw_opd_gamma", "iw_opd_epsilon")
_OF_JSD = ("beta", "loss_top_k", "loss_add_tail")


class IwOpd(VllmPattern, VllmContext, Vllm, Drawing, Algorithm):
    """Importance-weighted on-policy distillation: tokens after an answer has left the teacher's ways count less.

    Use it instead of `distillation` where answers are long: far into an answer that the
    teacher would never have begun like that, what it says is no good advice. The loss looks
    at the drawn token only, so it is noisier than that of `distillation`, which upstream also
    maintains better. `distillation_objective: jsd` is the older distillation with the
    likeliest tokens. The teacher may be a vLLM server (`use_teacher_server`), for which the
    package vllm has to be installed. Teacher and model must have the same tokenizer.

    Source: arXiv 2606.22600, algorithm 1; `trl.experimental.iw_opd.IWOPDTrainer`.
    """

    type: Literal["iw_opd"]
    teacher_model: Annotated[OtherModelField | None, OWN] = None
    """The model to imitate: a hub id, or a folder relative to the recipe file; null with a server."""
    use_teacher_server: bool = False
    """Ask a vLLM server for the teacher's probabilities instead."""
    teacher_model_server_url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    """Address of that server, such as `http://host:8000`."""
    distillation_objective: Literal["iw_opd", "jsd"] = "iw_opd"
    """`iw_opd` weighs drawn tokens, `jsd` compares distributions."""
    iw_opd_gamma: Annotated[float, Field(ge=0)] = 0.5
    """How much more the first tokens of an answer count than the last: 0 weighs all alike, 1 doubles the first."""
    iw_opd_epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """Smallest sum of differences that weights are divided by."""
    lmbda: Share = 1.0
    """Share of forward passes on answers that the model gives itself; `iw_opd` takes 1."""
    beta: Share = 1.0
    """With `jsd`, the distance: 0 covers all that the teacher would say, 1 keeps to what it says most."""
    loss_top_k: Annotated[int, Field(ge=0)] = 1
    """With `jsd`, the number of tokens that are compared; 0 compares all."""
    loss_add_tail: bool = True
    """With `jsd`, compare all other tokens as well, as if they were one."""
    reverse_kl_top_1_mode: Literal["sampled", "argmax"] = "sampled"
    """With `jsd` and one token, whether that is the drawn one or the model's likeliest."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Draw among the likeliest tokens that together have this probability; 1 draws among all."""
    max_completion_length: Count = 512
    """Longest generated answer, in tokens; has to be below `data.max_length`."""
    num_generations: Count = 1
    """Answers to each prompt in a step."""
    disable_dropout: bool = True
    """Switch dropout off."""
    vllm_sync_frequency: Count = 1
    """Optimizer steps between two transfers of weights to vLLM; `iw_opd` takes 1."""

    upstream: ClassVar[str | None] = "trl.experimental.iw_opd:IWOPDConfig"
    trainer: ClassVar[str] = "trl.experimental.iw_opd:IWOPDTrainer"
    feed: ClassVar[Feed] = "answered_sequences"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("conversation", "prompt_completion")
    # TRL's default; ten times that with an adapter, as for the other algorithms.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    rounds_per_process: ClassVar[bool] = True
    managed: ClassVar[frozenset[str]] = TEACHER_MANAGED | {
        "model_init_kwargs",
        "trust_remote_code",
        "max_length",
        "max_prompt_length",
        "generation_batch_size",
        "log_completions",
        "log_completions_steps",
        "num_completions_to_print",
    }
    equation: ClassVar[str] = (
        "a_t = log teacher(y_t) - log p(y_t) at token t of an answer of the model\n"
        "w_t = 1 + gamma * (1 - sum of |a_u| over u < t / sum of |a_u| over all u)\n"
        "L = -E[ w_t * a_t * log p(y_t) ], with w_t and a_t held fixed"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = ANSWERED_ROWS
    snippet: ClassVar[str] = "algorithm: {type: iw_opd, teacher_model: org/larger-model}"

    @property
    def sequences_per_row(self) -> int:
        """Answers to each prompt."""
        return self.num_generations

    @property
    def shares_vocabulary(self) -> bool:
        """Always: each token's probability is compared with the teacher's."""
        return True

    def models(self) -> Mapping[str, OtherModel]:
        """The teacher, where no server holds it."""
        if self.teacher_model is None or self.use_teacher_server:
            return {}
        return {"teacher_model": self.teacher_model}

    def packages(self) -> Iterable[Requirement]:
        """What asks the teacher's server."""
        if self.use_teacher_server:
            yield Requirement("vllm", "vllm", "algorithm.use_teacher_server", VLLM)
        else:
            yield from super().packages()

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.experimental.iw_opd.IWOPDConfig` refuses, and what has no effect."""
        yield from self.generation_conflicts()
        yield from self._teacher_conflicts()
        if self.num_generations > 1 and self.lmbda < 1:
            message = f"`algorithm.num_generations` is {self.num_generations}, and given answers are repeated as often"
            yield Conflict("num_generations", message, "set `lmbda: 1`", "warning")
        fields = type(self).model_fields
        weighs = self.distillation_objective == "iw_opd"
        for name in _OF_JSD if weighs else _OF_IW_OPD:
            if getattr(self, name) != fields[name].default:
                objective = self.distillation_objective
                message = (
                    f"`algorithm.{name}` has no effect with `distillation_objective: {objective}`"
                )
                yield Conflict(name, message, "remove it", "warning")
        if weighs:
            yield from self._weighing_conflicts()
        else:
            yield from self._comparing_conflicts()

    def _teacher_conflicts(self) -> Iterator[Conflict]:
        if self.use_teacher_server:
            if self.teacher_model_server_url is None:
                message = "`algorithm.use_teacher_server` needs the address of the server"
                yield Conflict("use_teacher_server", message, "set `teacher_model_server_url`")
            if self.teacher_model is not None:
                message = "`algorithm.teacher_model` has no effect with `use_teacher_server`"
                yield Conflict("teacher_model", message, "remove one of them", "warning")
            # Upstream asks this of `iw_opd` as well, which looks at neither.
            if self.beta == 0 and self.loss_top_k == 0:
                message = "`loss_top_k: 0` compares all tokens, and a server tells the probabilities of few"
                yield Conflict("loss_top_k", message, "20 to 100 come near them")
            if self.beta > 0 and self.loss_top_k != 1:
                message = f"`algorithm.loss_top_k` is {self.loss_top_k}, and a server takes 1 unless `beta` is 0"
                yield Conflict("loss_top_k", message, "remove it, or set `beta: 0`")
            if self.reverse_kl_top_1_mode == "argmax":
                message = (
                    "`reverse_kl_top_1_mode: argmax` asks for tokens that a server does not tell"
                )
                yield Conflict("reverse_kl_top_1_mode", message, "use `sampled`")
            return
        if self.teacher_model is None:
            message = "`algorithm.teacher_model` is not given, and there is nothing to imitate"
            yield Conflict("teacher_model", message, "name a model, or a server")
        if self.teacher_model_server_url is not None:
            message = (
                "`algorithm.teacher_model_server_url` has no effect without `use_teacher_server`"
            )
            yield Conflict("teacher_model_server_url", message, "set it, or remove this", "warning")

    def _weighing_conflicts(self) -> Iterator[Conflict]:
        if self.lmbda < 1:
            message = f"`algorithm.lmbda` is {self.lmbda:g}, and `iw_opd` learns from the model's own answers only"
            yield Conflict("lmbda", message, "remove it, or set `distillation_objective: jsd`")
        if self.reverse_kl_top_1_mode == "argmax" and not self.use_teacher_server:
            message = "`reverse_kl_top_1_mode: argmax` does not fit `iw_opd`, which looks at the drawn token"
            yield Conflict("reverse_kl_top_1_mode", message, "use `sampled`")
        if self.use_vllm and self.vllm_sync_frequency != 1:
            message = "`algorithm.vllm_sync_frequency` lets answers lag, and `iw_opd` needs those of the model as it is"
            yield Conflict("vllm_sync_frequency", message, "remove it")

    def _comparing_conflicts(self) -> Iterator[Conflict]:
        if self.reverse_kl_top_1_mode == "argmax" and (self.beta == 0 or self.loss_top_k != 1):
            message = "`reverse_kl_top_1_mode: argmax` has an effect with `loss_top_k: 1` and `beta` above 0 only"
            yield Conflict("reverse_kl_top_1_mode", message, "remove it", "warning")
        if not self.loss_add_tail and self.loss_top_k == 1 and self.beta in (0, 1):
            message = "`loss_add_tail: false` leaves a single token to compare, whose share of itself is always 1"
            yield Conflict("loss_add_tail", message, "remove it, or compare more tokens")
