"""What stops a run before anything is loaded, and an error of the hub in words."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from recipe_runner import upstream
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute import preflight
from recipe_runner.execute.failure import diagnose
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan, Requirement, encode
from tests.workshop import Workshop, recipe

Usage = namedtuple("Usage", "total used free")


def codes(plan: Plan) -> list[str]:
    try:
        found = preflight.check(plan)
    except DiagnosticError as error:
        found = error.diagnostics
    return [d.code.id for d in found]


def test_nothing_stops_a_plan_for_this_machine(shop: Workshop) -> None:
    assert [code for code in codes(shop.plan(recipe())) if code != "RR601"] == []


def test_gpus_that_are_not_here(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "RR603" in codes(shop.plan(recipe(), "2xH100-80GB"))


def test_a_disk_that_is_too_small(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = shop.plan(recipe())
    # A full disk cannot be had in a test; what the system says of it is replaced.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 1 << 10))
    assert "RR605" in codes(plan)


def test_a_version_that_was_not_tested(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def versions() -> Mapping[str, str]:
        return {"pydantic": "0.1.0"}

    monkeypatch.setattr(upstream, "versions", versions)
    assert "RR612" in codes(shop.plan(recipe()))


@pytest.mark.parametrize(
    "versions", [">=9,<10", ">=9.2,<9.3", ">=0.1,<0.2", ">=8.1,<9", ">=99,<100"]
)
def test_a_version_that_the_plan_is_not_for(versions: str, shop: Workshop) -> None:
    # pytest stands for a package of which a plan wants certain versions.
    asked = Requirement("pytest", "pytest", "a test", versions)
    plan = replace(shop.plan(recipe()), requires=(asked,))
    here = tuple(map(int, pytest.__version__.split(".")[:2]))
    low = tuple(map(int, versions.split(",")[0].lstrip(">=").split(".")))
    high = tuple(map(int, versions.split(",")[1].lstrip("<").split(".")))
    fits = low <= here and here < high
    assert ("RR615" in codes(plan)) is not fits


@pytest.mark.parametrize("text", ["", "{", "{}", '{"version": 99}'])
def test_a_file_that_is_no_plan(text: str, shop: Workshop, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.plan_file.write_text(text, encoding="utf-8")
    with pytest.raises(DiagnosticError) as caught:
        run.read_plan()
    assert [d.code.id for d in caught.value.diagnostics] == ["RR613"]
    run.plan_file.write_text(encode(shop.plan(recipe())), encoding="utf-8")
    assert run.read_plan() == shop.plan(recipe())


class LocalEntryNotFoundError(Exception):
    """Has the name of the error that the hub's client raises."""


def test_a_hub_that_cannot_be_reached(shop: Workshop, tmp_path: Path) -> None:
    error = LocalEntryNotFoundError("no connection")
    found = diagnose(error, shop.plan(recipe()), tmp_path, tmp_path / "train.log")
    assert found.code.id == "RR707"
