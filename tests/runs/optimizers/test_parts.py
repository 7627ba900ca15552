"""Only the parts that a plan names move, and a part that the model does not have ends the run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.launch import launch
from recipe_runner.plan import Plan, TrainableParts
from tests.runs.train.by_hand import BY_HAND, RECIPE, Recorder, plan_for
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


def with_parts(plan: Plan, parts: TrainableParts, *patterns: str) -> Plan:
    chosen = dataclasses.replace(plan.model, trainable=parts, trainable_parameters=patterns)
    return dataclasses.replace(plan, model=chosen)


def test_only_the_named_parts_move(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    plan = plan_for(model, tmp_path, arguments={"max_steps": 3, "save_strategy": "no"})
    plan = with_parts(plan, TrainableParts(last_layers=1, head=True), "^model.norm")
    outcome = launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert outcome.model is not None
    before = load_file(model / "model.safetensors")
    after = load_file(outcome.model / "model.safetensors")
    moved = {name for name, value in before.items() if not value.equal(after[name])}
    assert moved == {
        name for name in before if name.startswith(("model.layers.1.", "lm_head.", "model.norm."))
    }


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (TrainableParts(last_layers=3), "last_layers is 3, which finds none of the 21 parameters"),
        (TrainableParts(vision=True), "vision is true, which finds none of the 21 parameters"),
        (TrainableParts(), "leave none of the 21 parameters"),
    ],
    ids=["too many layers", "no vision", "no part"],
)
def test_a_part_that_is_not_there_ends_the_run(
    parts: TrainableParts, says: str, model: Path, tmp_path: Path
) -> None:
    plan = with_parts(plan_for(model, tmp_path), parts)
    with pytest.raises(DiagnosticError) as raised:
        launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    assert raised.value.diagnostics[0].code.id == "RR713"
    assert says in raised.value.diagnostics[0].message
