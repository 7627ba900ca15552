"""On-policy distillation."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.generation import GENERATION_MANAGED, Generating
from recipe_runner.components.prompts import PROMPT_ROWS
from recipe_runner.components.teacher import TEACHER_MANAGED, Taught
from recipe_runner.plan import Feed, Shape


class Distillation(Taught, Generating, Algorithm):
    """Distillation: the model answers prompts, and learns to give each token the probability that a teacher gives it.

    Use it to carry the skill of a large model over to a small one of the same family. It
    needs prompts only, learns from each token instead of from one reward for an answer, and
    trains on the mistakes that the small model really makes. Teacher and model must have the
    same vocabulary; `gold` is for others. `gkd` mixes in given answers, and `sft` on answers
    that the teacher wrote is simpler where it cannot be kept in memory during training.

    Source: arXiv 2306.13649, equation 1; `trl.DistillationTrainer`.
    """

    type: Literal["distillation"]
    beta: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The distance: 0 covers all that the teacher would say, 1 keeps to what it says most, 0.5 is Jensen-Shannon."""
    disable_dropout: bool = False
    """Switch dropout off."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens."""

    upstream: ClassVar[str | None] = "trl:DistillationConfig"
    trainer: ClassVar[str] = "trl:DistillationTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # Between the default of TRL, 1e-6, and the rate of its script, 2e-5; ten times that with an adapter.
    recommended_learning_rate: ClassVar[float] = 5e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 5e-5
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    compares_words: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss", "entropy")
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | TEACHER_MANAGED
    equation: ClassVar[str] = (
        "m = beta * teacher + (1 - beta) * p at each token of an answer of the model\n"
        "L = E[ beta * KL(teacher || m) + (1 - beta) * KL(p || m) ]\n"
        "beta = 0: KL(teacher || p)    beta = 1: KL(p || teacher)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = tuple(
        {"prompt": row["prompt"]} for row in PROMPT_ROWS
    )
    snippet: ClassVar[str] = "algorithm: {type: distillation, teacher_model: org/larger-model}"

    def conflicts(self) -> Iterable[Conflict]:
        """Options of ways to generate that are off."""
        yield from self.generation_conflicts()
