"""The schedules and their options are those of the installed transformers."""

from __future__ import annotations

import inspect
from typing import get_args

import pytest

from recipe_runner.compiler.rules.schedule import OPTIONS
from recipe_runner.recipe.training import Training

pytestmark = pytest.mark.runs

GIVEN = {"optimizer", "num_warmup_steps", "num_training_steps", "last_epoch", "kwargs"}
"""Parameters that transformers fills in itself."""


def test_every_schedule_has_its_options() -> None:
    assert set(OPTIONS) == set(get_args(Training.model_fields["lr_scheduler_type"].annotation))


@pytest.mark.parametrize("schedule", OPTIONS)
def test_options_are_parameters_upstream(schedule: str) -> None:
    from torch.optim.lr_scheduler import ReduceLROnPlateau
    from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION, SchedulerType

    make = TYPE_TO_SCHEDULER_FUNCTION[SchedulerType(schedule)]
    taken = set(inspect.signature(make).parameters)
    if "kwargs" in taken:
        taken |= set(inspect.signature(ReduceLROnPlateau).parameters)
    assert taken - GIVEN == OPTIONS[schedule]
