"""Distillation from a teacher that a server holds."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import VLLM, Algorithm, Conflict
from recipe_runner.components.generation import GENERATION_MANAGED, Generating
from recipe_runner.components.prompts import PROMPT_ROWS
from recipe_runner.components.teacher import TEACHER_MANAGED
from recipe_runner.plan import Feed, Requirement, Shape


class ServerDistillation(Generating, Algorithm):
    """Distillation from a vLLM server: as `distillation`, with a teacher that need not fit on the training's GPUs.

    Use it for a teacher that is too large to keep beside the model, or that several runs
    share. The server tells the probabilities of few tokens, so the loss looks at those and at
    the rest as one; `distillation` sees the whole vocabulary, and is the better choice where
    the teacher fits. Teacher and model must have the same vocabulary.

    The server is one that runs already, started with `vllm serve TEACHER --max-logprobs -1
    --logprobs-mode processed_logprobs`, and the package vllm has to be installed here too.

    Source: arXiv 2306.13649; `trl.experimental.server_distillation.ServerDistillationTrainer`.
    """

    type: Literal["server_distillation"]
    teacher_model_server_url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    """Address of the vLLM server that holds the teacher, such as `http://host:8000`."""
    beta: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The distance: 0 covers all that the teacher would say, 1 keeps to what it says most, 0.5 is Jensen-Shannon."""
    loss_top_k: Annotated[int, Field(ge=1)] = 1
    """The teacher's likeliest tokens that are compared: 20 to 100 come near all with `beta: 0`; otherwise it is 1."""
    loss_add_tail: bool = True
    """Compare all other tokens as well, as if they were one; a single token has nothing else to be compared with."""
    vllm_server_port: Annotated[int, Field(ge=1, le=65535)] = 8001
    """Port of the server that answers for the model; the teacher's often has 8000."""
    disable_dropout: bool = False
    """Switch dropout off."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens."""

    upstream: ClassVar[str | None] = "trl.experimental.server_distillation:ServerDistillationConfig"
    trainer: ClassVar[str] = "trl.experimental.server_distillation:ServerDistillationTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # TRL's default; ten times that with an adapter, as for the other algorithms.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    compares_words: ClassVar[bool] = True
    holds_logits: ClassVar[bool] = True
    managed: ClassVar[frozenset[str]] = (
        GENERATION_MANAGED | TEACHER_MANAGED | {"reverse_kl_top_1_mode"}
    )
    equation: ClassVar[str] = (
        "t, s = probabilities of the teacher and the model for the compared tokens, and for all others as one\n"
        "m = beta * t + (1 - beta) * s at each token of an answer of the model\n"
        "L = E[ beta * KL(t || m) + (1 - beta) * KL(s || m) ]\n"
        "beta = 0: KL(t || s)    beta = 1: KL(s || t)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = tuple(
        {"prompt": row["prompt"]} for row in PROMPT_ROWS
    )
    snippet: ClassVar[str] = (
        "algorithm: {type: server_distillation, teacher_model_server_url: 'http://host:8000'}"
    )

    @property
    def shares_vocabulary(self) -> bool:
        """Each token's probability is compared with the teacher's."""
        return True

    def packages(self) -> Iterable[Requirement]:
        """What asks the teacher's server."""
        yield Requirement("vllm", "vllm", "algorithm.teacher_model_server_url", VLLM)

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.experimental.server_distillation.ServerDistillationConfig` refuses."""
        yield from self.generation_conflicts()
        if self.beta > 0 and self.loss_top_k != 1:
            message = f"`algorithm.loss_top_k` is {self.loss_top_k}, and `beta: {self.beta:g}` compares one token"
            yield Conflict("loss_top_k", message, "remove it, or set `beta: 0`")
        if not self.loss_add_tail and self.loss_top_k == 1 and self.beta in (0, 1):
            message = "`loss_add_tail: false` leaves a single token to compare, whose share of itself is always 1"
            yield Conflict("loss_add_tail", message, "remove it, or compare more tokens")
