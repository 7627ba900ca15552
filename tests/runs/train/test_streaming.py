"""Training on a stream: the losses of prepared rows, also after an interruption and on two processes."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.launch import launch
from recipe_runner.plan import Plan, RowPolicy
from tests.runs.train.by_hand import RECIPE, Recorder, chats, losses, plan_for

pytestmark = pytest.mark.runs


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / "cache"))


def streamed(model: Path, folder: Path, *, shuffle: bool = False, **changes: Any) -> Plan:
    folder.mkdir(exist_ok=True)
    plan = plan_for(model, folder, **changes)
    data = dataclasses.replace(plan.data, streaming=True, shuffle=shuffle, shuffle_buffer=16)
    return dataclasses.replace(plan, data=data)


def run(plan: Plan, console: Recorder | None = None) -> Any:
    return launch(plan, RECIPE, RECIPE, console or Recorder())


def test_a_stream_trains_as_prepared_rows_do(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prepared").mkdir()
    arguments = {"max_steps": 4, "save_strategy": "no"}
    in_order = {**arguments, "train_sampling_strategy": "sequential"}
    run(plan_for(model, tmp_path / "prepared", arguments=in_order))
    console = Recorder()
    outcome = run(streamed(model, tmp_path / "stream", arguments=arguments), console)
    assert (outcome.status, outcome.step) == ("finished", 4)
    expected = losses(tmp_path / "prepared" / "run")
    assert losses(tmp_path / "stream" / "run") == pytest.approx(expected)
    assert any("rows streamed" in line for line in console.lines)
    noted = json.loads((tmp_path / "stream" / "run" / "data.json").read_text())
    assert noted["sources"][0]["used"] >= 16


@pytest.mark.slow
def test_a_stream_goes_on_after_an_interruption_and_over_epochs(
    model: Path, tmp_path: Path
) -> None:
    # 48 rows are 12 steps of 4: the run sees a second epoch, in another order.
    arguments = {"max_steps": 16, "save_steps": 3}
    run(streamed(model, tmp_path / "whole", shuffle=True, arguments=arguments))
    plan = streamed(model, tmp_path / "parts", shuffle=True, arguments=arguments)

    class Stopping(Recorder):
        """Interrupts the run at step 7, as a person who presses Ctrl-C does."""

        def progress(self, update: Any) -> None:
            super().progress(update)
            if update is not None and update.step == 7:
                signal.raise_signal(signal.SIGINT)

    first = run(plan, Stopping())
    assert first.status == "interrupted", first
    second = run(plan)
    assert second.status == "finished"
    assert second.resumed_from is not None
    expected = losses(tmp_path / "whole" / "run")
    assert losses(tmp_path / "parts" / "run") == expected
    assert len(expected) == 16


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(model: Path, tmp_path: Path) -> None:
    arguments = {"max_steps": 6, "save_strategy": "no"}
    run(streamed(model, tmp_path / "one", shuffle=True, arguments=arguments))
    halved = {**arguments, "per_device_train_batch_size": 2}
    two = streamed(model, tmp_path / "two", shuffle=True, arguments=halved, processes=2)
    outcome = run(two)
    assert outcome.status == "finished"
    one, both = losses(tmp_path / "one" / "run"), losses(tmp_path / "two" / "run")
    assert [both[step] for step in one] == pytest.approx(list(one.values()), abs=5e-6)


def test_a_stream_beside_prepared_evaluation(model: Path, tmp_path: Path) -> None:
    plan = streamed(
        model,
        tmp_path / "run",
        arguments={
            "max_steps": 2,
            "save_strategy": "no",
            "eval_strategy": "steps",
            "eval_steps": 2,
        },
    )
    held = chats(tmp_path / "eval.jsonl", 6, seed=1)
    source = dataclasses.replace(plan.data.train[0], path=str(held), files=(str(held),))
    data = dataclasses.replace(plan.data, eval=(source,), leakage="ignore")
    outcome = run(dataclasses.replace(plan, data=data))
    assert outcome.status == "finished"
    assert "eval_loss" in outcome.metrics
    noted = json.loads((tmp_path / "run" / "run" / "data.json").read_text())
    assert [each["role"] for each in noted["sources"]] == ["train", "eval"]
    assert noted["eval_rows"] == 6


@pytest.mark.parametrize("policy", ["error", "drop"])
def test_a_broken_row_of_a_stream(policy: Any, model: Path, tmp_path: Path) -> None:
    plan = streamed(model, tmp_path / "run", arguments={"max_steps": 4, "save_strategy": "no"})
    file = Path(plan.data.train[0].files[0])
    lines = file.read_text().splitlines()
    lines[9] = "{broken"
    file.write_text("\n".join(lines) + "\n")
    source = dataclasses.replace(plan.data.train[0], on_bad_row=RowPolicy.of(policy))
    plan = dataclasses.replace(plan, data=dataclasses.replace(plan.data, train=(source,)))
    if policy == "drop":
        console = Recorder()
        assert run(plan, console).status == "finished"
        assert any("1 left out (1 malformed)" in line for line in console.lines)
        return
    with pytest.raises(DiagnosticError) as caught:
        run(plan)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR402"
    assert diagnostic.place.span is not None
    assert diagnostic.place.span.start.line == 10
