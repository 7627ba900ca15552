"""Opening what a run made, for commands that use it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.finished import open_run
from tests.finished import finished_run
from tests.workshop import Workshop, recipe

MODEL = {"config.json": b"{}", "model.safetensors": b""}
ADAPTER = {"adapter_config.json": b"{}", "adapter_model.safetensors": b""}


def told(path: Path) -> tuple[str, str]:
    with pytest.raises(DiagnosticError) as caught:
        open_run(path)
    (found,) = caught.value.diagnostics
    return found.code.id, found.help


@pytest.mark.parametrize(("files", "adapter"), [(MODEL, False), (ADAPTER, True)])
def test_a_finished_run_opens(
    files: dict[str, bytes], adapter: bool, shop: Workshop, tmp_path: Path
) -> None:
    plan = shop.plan(recipe())
    finished_run(tmp_path / "run", plan, files=files)
    found = open_run(tmp_path / "run")
    assert (found.plan, found.is_adapter) == (plan, adapter)


def test_a_folder_of_weights_is_no_run(shop: Workshop, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", shop.plan(recipe()), files=MODEL)
    code, help_text = told(run.model)
    assert code == "RR626"
    assert "not its `model` folder" in help_text
    assert told(tmp_path / "nothing")[0] == "RR626"


def test_a_run_that_has_not_ended_has_no_model(shop: Workshop, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", shop.plan(recipe()), files=MODEL)
    shutil.rmtree(run.model)
    assert told(run.path)[0] == "RR627"


def test_a_model_of_a_run_that_was_cut_off_is_not_whole(shop: Workshop, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", shop.plan(recipe()), files=MODEL)
    run.update_status(status="running")
    assert told(run.path)[0] == "RR627"
