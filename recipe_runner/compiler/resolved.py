"""A resolved recipe: every value set, and each decided one with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from recipe_runner.components.base import Component
from recipe_runner.components.format import Format
from recipe_runner.components.sharding import Sharding
from recipe_runner.plan import Derived, LeverPlan, LossPlan, MachinePlan
from recipe_runner.recipe.schema import Recipe
from recipe_runner.recipe.sections import EvalSplit, SourceSpec
from recipe_runner.survey import Surroundings
from recipe_runner.survey.data import SourceFacts

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class ResolvedSource:
    """A data set with its format decided. `path` leads to it in the recipe."""

    path: Path
    spec: SourceSpec
    facts: SourceFacts
    format: Format
    loss: LossPlan


@dataclass(frozen=True)
class Choice:
    """What memory decides before all else is known: it is tried, and looked at.

    `most_rows` are sequences of a forward pass, `spreads` is True where several processes share
    the weights. `because` and `spreads_because` say why it is no more, and not each its own.
    """

    most_rows: int = 8
    spreads: bool = False
    because: str = ""
    spreads_because: str = ""


@dataclass(frozen=True)
class Draft:
    """A recipe on its way to being resolved; each decision gives another draft."""

    recipe: Recipe
    machine: MachinePlan
    around: Surroundings
    derived: tuple[Derived, ...] = ()
    levers: tuple[LeverPlan, ...] = ()
    choice: Choice = Choice()

    def decide(self, path: str, value: Any, because: str) -> "Draft":
        """Set the value at a dotted `path` and keep the reason."""
        recipe = _set(self.recipe, path.split("."), value)
        shown = value.options() | {"type": value.type} if isinstance(value, Component) else value
        return replace(self, recipe=recipe, derived=(*self.derived, Derived(path, shown, because)))

    def note(self, path: str, value: Any, because: str) -> "Draft":
        """Keep a reason for something that is no single value of the recipe."""
        return replace(self, derived=(*self.derived, Derived(path, value, because)))


@dataclass(frozen=True)
class ResolvedRecipe:
    """All that compiling needs: nothing says "auto", and every data set has its format.

    `training_rows` are those left after the evaluation split, `total_steps` and
    `steps_per_epoch` follow from them; None where they are not known before the run. `levers`
    say what becomes of each.
    """

    recipe: Recipe
    machine: MachinePlan
    around: Surroundings
    train: tuple[ResolvedSource, ...]
    eval: tuple[ResolvedSource, ...]
    sharding: Sharding
    training_rows: int | None
    steps_per_epoch: int | None
    total_steps: int | None
    derived: tuple[Derived, ...]
    levers: tuple[LeverPlan, ...] = ()

    @property
    def has_eval(self) -> bool:
        """True where the run evaluates."""
        return self.recipe.data.eval is not None

    @property
    def eval_split(self) -> EvalSplit | None:
        """The evaluation rows that come out of the training rows, if they do."""
        return self.recipe.data.eval if isinstance(self.recipe.data.eval, EvalSplit) else None

    @property
    def reasons(self) -> Mapping[str, Derived]:
        """The decisions by their path."""
        return {d.path: d for d in self.derived}


def _set(model: BaseModel, keys: list[str], value: Any) -> Any:
    field, *rest = keys
    new = _set(getattr(model, field), rest, value) if rest else value
    return model.model_copy(update={field: new})
