"""Tiny models that see, each made once a session, and a cache of its own for every test."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.runs.vision.families import FAMILIES, Family

Make = Callable[[str], Family]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a family, or gives the one that was made before."""
    return cache(lambda name: Family.made(name, tmp_path_factory.mktemp(name)))


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest, make: Make) -> Family:
    return make(request.param)


@pytest.fixture
def llava(make: Make) -> Family:
    return make("llava")


@pytest.fixture
def qwen(make: Make) -> Family:
    return make("qwen2_vl")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / "cache"))
