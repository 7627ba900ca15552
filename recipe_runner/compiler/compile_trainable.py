"""What a recipe says of the parameters that train, as the plan has it."""

from collections.abc import Iterable

from recipe_runner.plan import TrainableParts
from recipe_runner.plan.trainable import trains
from recipe_runner.recipe.sections import Model


def parts_of(model: Model) -> TrainableParts | None:
    """The parts that train; None where the recipe names none."""
    chosen = model.trainable
    return None if chosen is None else TrainableParts(**chosen.model_dump())


def trains_of(names: Iterable[str], model: Model) -> frozenset[str]:
    """The parameters that train in full fine-tuning. The patterns have to be readable."""
    return trains(
        names,
        parts=parts_of(model),
        patterns=model.trainable_parameters,
        freeze=model.freeze,
    )
