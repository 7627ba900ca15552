"""Generalized knowledge distillation: given answers and own ones."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.teacher import ANSWERED_ROWS, TEACHER_MANAGED, Taught
from recipe_runner.plan import Feed, Shape

Share = Annotated[float, Field(ge=0, le=1)]

_OF_ANSWERS = ("max_new_tokens", "temperature")


class Gkd(Taught, Algorithm):
    """Generalized knowledge distillation: the teacher's probability of each token, on given answers and on own ones.

    Use it where there are good answers to learn from and the model makes mistakes of its own:
    `lmbda` is the share of steps on its own answers, 0 is plain offline distillation. With
    `lmbda: 1` and `temperature: 1` it does what `distillation` does, which takes less memory
    and can generate with vLLM. Teacher and model must have the same vocabulary; `gold` is for
    others. Evaluation is always on the answers of the data.

    Source: arXiv 2306.13649, equation 1 and algorithm 1; `trl.experimental.gkd.GKDTrainer`.
    """

    type: Literal["gkd"]
    lmbda: Share = 0.5
    """Share of forward passes on answers that the model gives itself: 0 takes those of the data, 1 none of them."""
    beta: Share = 0.5
    """The distance: 0 covers all that the teacher would say, 1 keeps to what it says most, 0.5 is Jensen-Shannon."""
    temperature: Annotated[float, Field(gt=0)] = 0.9
    """Randomness of generated answers: 1 draws from the model's own distribution, less is more greedy."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 128
    """Longest generated answer, in tokens; longer ones break off there."""
    seq_kd: bool = False
    """Where the model does not answer itself, let the teacher answer instead of taking the answer of the data: slow."""
    disable_dropout: bool = True
    """Switch dropout off."""
    activation_offloading: bool = False
    """Keep activations in CPU memory between forward and backward: slower, smaller."""

    upstream: ClassVar[str | None] = "trl.experimental.gkd:GKDConfig"
    trainer: ClassVar[str] = "trl.experimental.gkd:GKDTrainer"
    reads_head: ClassVar[bool] = True
    compares_words: ClassVar[bool] = True
    holds_logits: ClassVar[bool] = True
    feed: ClassVar[Feed] = "answered_sequences"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("conversation", "prompt_completion")
    # TRL's default; ten times that with an adapter, as for the other algorithms.
    recommended_learning_rate: ClassVar[float] = 2e-5
    recommended_learning_rate_with_adapter: ClassVar[float] = 2e-4
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    managed: ClassVar[frozenset[str]] = TEACHER_MANAGED | {
        "model_init_kwargs",
        "trust_remote_code",
        "chat_template_path",
        "dataset_text_field",
        "dataset_kwargs",
        "dataset_num_proc",
        "eos_token",
        "pad_token",
        "max_length",
        "truncation_mode",
        "shuffle_dataset",
        "packing",
        "packing_strategy",
        "eval_packing",
        "padding_free",
        "completion_only_loss",
        "assistant_only_loss",
    }
    equation: ClassVar[str] = (
        "m = beta * teacher + (1 - beta) * p at each token of an answer\n"
        "L = E[ beta * KL(teacher || m) + (1 - beta) * KL(p || m) ]\n"
        "beta = 0: KL(teacher || p)    beta = 1: KL(p || teacher)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = ANSWERED_ROWS
    snippet: ClassVar[str] = "algorithm: {type: gkd, teacher_model: org/larger-model}"

    def conflicts(self) -> Iterable[Conflict]:
        """Options that have no effect."""
        if self.seq_kd and self.lmbda == 1:
            message = "`algorithm.seq_kd` has no effect with `lmbda: 1`, where the model always answers itself"
            yield Conflict("seq_kd", message, "lower `lmbda`, or remove it", "warning")
        if self.lmbda == 0 and not self.seq_kd:
            for name in _OF_ANSWERS:
                if getattr(self, name) != type(self).model_fields[name].default:
                    message = (
                        f"`algorithm.{name}` has no effect with `lmbda: 0`, which generates nothing"
                    )
                    yield Conflict(name, message, "raise `lmbda`, or remove it", "warning")
