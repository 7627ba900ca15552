"""The axis of algorithms: what is trained, with which trainer, on which kind of example."""

from typing import ClassVar, Literal

from pydantic import Field

from recipe_runner.components.base import Component
from recipe_runner.plan import Shape


class Algorithm(Component):
    """A training algorithm.

    `trainer` and `upstream` are the targets of its trainer and its arguments class.
    `example_shapes` are the shapes of examples it can learn from. The recommended
    learning rates are the defaults of `training.learning_rate` for full fine-tuning
    and with an adapter. `managed` are upstream arguments that other sections of the
    recipe decide. `evaluation_metrics` are what an evaluation measures.
    `tasks` are what its models may be loaded for. `is_default`
    marks the one that `recipe-run init` writes.
    """

    trainer: ClassVar[str]
    example_shapes: ClassVar[tuple[Shape, ...]]
    recommended_learning_rate: ClassVar[float]
    recommended_learning_rate_with_adapter: ClassVar[float]
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss",)
    supports_packing: ClassVar[bool] = False
    is_default: ClassVar[bool] = False
    tasks: ClassVar[tuple[Literal["causal_lm", "image_text_to_text"], ...]] = ("causal_lm",)
    managed: ClassVar[frozenset[str]] = frozenset()

    @property
    def joins_rows(self) -> bool:
        """True where the rows of a batch are joined into one instead of padded."""
        return False

    extra: dict[str, bool | int | float | str | None] = Field(default_factory=dict)
    """Upstream arguments that have no field here, by their upstream name; known names only."""
