"""What a plan calls can be built with the installed libraries, for every knob of a recipe."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from recipe_runner.plan import Call
from tests.checkout import RECIPES, checkout, compile_shipped
from tests.properties.knob_tables import ONE_VALUE, REFUSED
from tests.properties.knobs import Knob, knobs
from tests.workshop import Workshop

pytestmark = pytest.mark.runs

CHECKED = ("adapter", "algorithm", "data.packing", "data.eval_packing", "hub", "quantization")
KNOBS = [
    knob
    for knob in knobs()
    if knob.id.startswith((*CHECKED, "training", "tracking"))
    and knob.id not in ONE_VALUE
    and not knob.id.startswith(tuple(REFUSED))
]
NEEDS_A_DEVICE = {
    "training.tf32": "transformers looks for an Ampere GPU",
    "training.ddp_backend": "transformers joins the process group",
    "adapter.loftq_config.loftq_bits": "LoftQ is fitted on a GPU, whose plan is in bfloat16",
    "adapter.loftq_config.loftq_iter": "LoftQ is fitted on a GPU, whose plan is in bfloat16",
}


def build(call: Call | None) -> None:
    from recipe_runner.execute.build import build

    if call is not None:
        build(call)


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: str(knob.id))
def test_calls_of_a_turned_knob_can_be_built(knob: Knob, shop: Workshop) -> None:
    if knob.id in NEEDS_A_DEVICE:
        pytest.skip(NEEDS_A_DEVICE[knob.id])
    plan = shop.plan(knob.after, knob.machine)
    missing = [each.package for each in plan.requires if find_spec(each.module) is None]
    if knob.id.startswith("quantization") and missing:
        pytest.skip(f"its class is of {', '.join(missing)}, which is not installed")
    for call in (plan.arguments, plan.adapter, plan.quantization):
        build(call)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_calls_of_a_shipped_recipe_can_be_built(recipe: str, tree: Path) -> None:
    plan = compile_shipped(recipe, tree).plan
    assert plan is not None
    build(plan.adapter)
    build(plan.quantization)
    if plan.machine.accelerators == 0:
        build(plan.arguments)
