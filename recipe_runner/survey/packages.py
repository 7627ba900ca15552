"""The optional packages of this machine that levers look for."""

from collections.abc import Mapping
from functools import lru_cache

from recipe_runner.components.base import discover
from recipe_runner.components.lever import Lever
from recipe_runner.components.packages import Package, installed


@lru_cache
def packages_of_levers() -> Mapping[str, Package]:
    """Those that are installed, by their name on PyPI."""
    levers: Mapping[str, type[Lever]] = discover("recipe_runner.components.levers")  # type: ignore[assignment]
    return installed(sorted({name for lever in levers.values() for name in lever.packages}))
