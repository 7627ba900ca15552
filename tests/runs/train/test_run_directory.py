"""A run directory is written whole, and never lost to another run."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute import record
from recipe_runner.execute.launch import exit_code_of, launch
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.resume import Resume
from recipe_runner.plan import Call, OutputPlan, Plan, decode
from tests.runs.train.by_hand import BY_HAND, RECIPE, Recorder, plan_for

pytestmark = pytest.mark.runs


def refused(plan: Plan, *, resume: Resume = "auto", overwrite: bool = False) -> Any:
    """The one diagnostic with which a launch is refused."""
    with pytest.raises(DiagnosticError) as caught:
        launch(
            plan,
            RECIPE,
            RECIPE,
            Recorder(),
            resume=resume,
            overwrite=overwrite,
            suppliers=BY_HAND,
        )
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


@pytest.fixture(scope="module")
def finished(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    plan = plan_for(model, tmp_path_factory.mktemp("finished"), arguments={"max_steps": 4})
    launch(plan, RECIPE, "resolved: 1\n", Recorder(), command=["recipe-run"], suppliers=BY_HAND)
    return plan


def unfinished(plan: Plan, folder: Path, status: str = "interrupted") -> Plan:
    """The finished run's directory, copied, as if it had not reached its end."""
    import shutil

    target = folder / "run"
    shutil.copytree(plan.outputs.run_dir, target)
    RunDirectory(target).update_status(status=status)
    return dataclasses.replace(plan, outputs=OutputPlan(str(target), ()))


def with_argument(plan: Plan, **values: Any) -> Plan:
    merged = {**plan.arguments.arguments, **values}
    return dataclasses.replace(plan, arguments=Call(plan.arguments.target, merged))


def test_finished_directory_holds_everything(finished: Plan) -> None:
    run = Path(finished.outputs.run_dir)
    names = {path.name for path in run.iterdir()}
    assert names == {
        "recipe.yaml", "resolved.yaml", "plan.json", "environment.json", "run.json",
        "metrics.jsonl", "train.log", "run.lock", "checkpoints", "model",
    }  # fmt: skip
    assert (run / "recipe.yaml").read_text() == RECIPE
    assert decode((run / "plan.json").read_text()) == finished
    status = json.loads((run / "run.json").read_text())
    assert (status["status"], status["exit"], status["step"]) == ("finished", 0, 4)
    assert RECIPE.rstrip() in (run / "model" / "README.md").read_text()


def test_environment_holds_versions_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    from recipe_runner.execute.versions import environment

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://user:secret@host")
    found = environment(["recipe-run", "train"])
    assert "secret" not in json.dumps(found)
    assert found["environment"]["HF_HUB_OFFLINE"] == "1"
    assert found["packages"]["trl"]


def test_result_loads_with_plain_transformers(finished: Plan) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(finished.outputs.run_dir) / "model"
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id


def test_finished_run_is_neither_trained_further_nor_overwritten(finished: Plan) -> None:
    before = (Path(finished.outputs.run_dir) / "run.json").read_text()
    assert refused(finished).code.id == "RR607"
    assert (Path(finished.outputs.run_dir) / "run.json").read_text() == before


def test_overwrite_starts_again(finished: Plan, tmp_path: Path) -> None:
    plan = unfinished(finished, tmp_path, status="finished")
    (tmp_path / "run" / "model" / "left.txt").write_text("old")
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), overwrite=True, suppliers=BY_HAND)
    assert outcome.resumed_from is None
    assert not (tmp_path / "run" / "model" / "left.txt").exists()


@pytest.mark.parametrize("status", ["", "{}", '{"schema": "recipe-run/1"}'])
def test_folder_with_a_status_of_somebody_else_is_never_touched(
    status: str, finished: Plan, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text(status)
    plan = dataclasses.replace(finished, outputs=OutputPlan(str(tmp_path), ()))
    assert refused(plan, overwrite=True).code.id == "RR610"
    assert (tmp_path / "run.json").read_text() == status


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_with_other_files_is_never_touched(
    overwrite: bool, finished: Plan, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    plan = dataclasses.replace(finished, outputs=OutputPlan(str(tmp_path), ()))
    assert refused(plan, overwrite=overwrite).code.id == "RR610"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_directory_in_use_is_refused(overwrite: bool, finished: Plan, tmp_path: Path) -> None:
    plan = unfinished(finished, tmp_path, status="running")
    with record.opened(tmp_path / "run"):
        diagnostic = refused(plan, overwrite=overwrite)
    assert diagnostic.code.id == "RR606"
    assert str(os.getpid()) in diagnostic.message


def test_resume_never_keeps_an_unfinished_run(finished: Plan, tmp_path: Path) -> None:
    plan = unfinished(finished, tmp_path)
    diagnostic = refused(plan, resume="never")
    assert diagnostic.code.id == "RR608"
    assert "checkpoint-4" in diagnostic.message


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"learning_rate": 5e-4}, "arguments.learning_rate: 0.001 there, 0.0005 here"),
        ({"max_steps": 9}, "arguments.max_steps: 4 there, 9 here"),
        ({"seed": 1}, "arguments.seed: 42 there, 1 here"),
    ],
    ids=["learning-rate", "steps", "seed"],
)
def test_changed_science_is_not_resumed(
    change: dict[str, Any], shown: str, finished: Plan, tmp_path: Path
) -> None:
    plan = with_argument(unfinished(finished, tmp_path), **change)
    diagnostic = refused(plan)
    assert diagnostic.code.id == "RR609"
    assert shown in diagnostic.message


def test_changed_batch_size_is_not_resumed(finished: Plan, tmp_path: Path) -> None:
    plan = unfinished(finished, tmp_path)
    steps = dataclasses.replace(plan.steps, global_batch_size=8, per_device=8)
    changed = with_argument(plan, per_device_train_batch_size=8)
    diagnostic = refused(dataclasses.replace(changed, steps=steps))
    assert "global_batch_size: 4 there, 8 here" in diagnostic.message


def test_changed_logging_is_resumed(finished: Plan, tmp_path: Path) -> None:
    plan = with_argument(unfinished(finished, tmp_path, "failed"), logging_steps=3)
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert outcome.resumed_from is not None
    assert outcome.step == 4


def test_named_checkpoint_without_optimizer_is_refused(finished: Plan, tmp_path: Path) -> None:
    plan = unfinished(finished, tmp_path)
    checkpoint = tmp_path / "run" / "checkpoints" / "checkpoint-4"
    (checkpoint / "optimizer.pt").unlink()
    diagnostic = refused(plan, resume=checkpoint)
    assert diagnostic.code.id == "RR611"
    assert "optimizer.pt is missing" in diagnostic.message


def test_overwrite_does_not_delete_the_checkpoint_to_resume(finished: Plan, tmp_path: Path) -> None:
    plan = unfinished(finished, tmp_path)
    checkpoint = tmp_path / "run" / "checkpoints" / "checkpoint-4"
    assert refused(plan, resume=checkpoint, overwrite=True).code.id == "RR608"
    assert checkpoint.exists()


def test_place_that_cannot_be_written_is_a_diagnostic(finished: Plan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    plan = dataclasses.replace(finished, outputs=OutputPlan(str(tmp_path / "file" / "run"), ()))
    with pytest.raises(DiagnosticError) as caught:
        launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert caught.value.diagnostics[0].code.id == "RR604"
    assert exit_code_of(caught.value) == 3


def test_run_killed_after_its_last_step_only_saves_its_result(
    finished: Plan, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    plan = unfinished(finished, tmp_path, status="running")
    first = load_file(Path(finished.outputs.run_dir) / "model" / "model.safetensors")
    (tmp_path / "run" / "model" / "model.safetensors").unlink()
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert (outcome.status, outcome.step) == ("finished", 4)
    again = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert all(bool((first[name] == again[name]).all()) for name in first)
