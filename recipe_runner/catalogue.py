"""Every code there is, gathered from the packages that report them. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from recipe_runner.compiler import codes as compiler
from recipe_runner.compiler import rules
from recipe_runner.diagnostics import Code
from recipe_runner.execute import codes as execute
from recipe_runner.execute.attention import codes as execute_attention
from recipe_runner.execute.data import codes as execute_data
from recipe_runner.execute.generation import codes as execute_generation
from recipe_runner.execute.preview import codes as execute_preview
from recipe_runner.execute.rewards import codes as execute_rewards
from recipe_runner.execute.speed import codes as execute_speed
from recipe_runner.execute.vision import codes as execute_vision
from recipe_runner.recipe import codes as recipe
from recipe_runner.rows import codes as rows
from recipe_runner.survey import codes as survey
from recipe_runner.syntax import codes as syntax


@cache
def catalogue() -> Mapping[str, Code]:
    """All codes by their id, in order."""
    return gather(
        (
            *syntax.CODES,
            *recipe.CODES,
            *rules.CODES,
            *rows.CODES,
            *survey.CODES,
            *compiler.CODES,
            *execute.CODES,
            *execute_data.CODES,
            *execute_preview.CODES,
            *execute_attention.CODES,
            *execute_vision.CODES,
            *execute_rewards.CODES,
            *execute_generation.CODES,
            *execute_speed.CODES,
        )
    )


def gather(codes: Iterable[Code]) -> Mapping[str, Code]:
    """Codes by their id. Raises `ValueError` where two share an id."""
    by_id: dict[str, Code] = {}
    for code in codes:
        if code.id in by_id and by_id[code.id] != code:
            raise ValueError(f"{code.id} is both {by_id[code.id].name} and {code.name}")
        by_id[code.id] = code
    return dict(sorted(by_id.items()))
