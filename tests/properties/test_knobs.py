"""Every knob moves the plan: an option without effect cannot exist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from recipe_runner.plan import Plan, to_json
from tests.properties.knob_tables import ONE_VALUE, REFUSED
from tests.properties.knobs import Knob, knobs
from tests.workshop import Workshop

KNOBS = list(knobs())


_TOLD: dict[str, Any] = {}


def told_of(shop: Workshop, recipe: Mapping[str, Any], on: str) -> Any:
    """What the plan of a recipe does; knobs share the recipes that they start from."""
    key = json.dumps([recipe, on])
    if key not in _TOLD:
        _TOLD[key] = told(shop.plan(recipe, on))
    return _TOLD[key]


def told(plan: Plan) -> Any:
    """What a plan does, without what it says of the recipe's text and of reasons."""
    value = to_json(plan)
    del value["recipe_sha256"], value["derived"]
    return value


def refusal(knob: Knob) -> str | None:
    return next((code for start, code in REFUSED.items() if knob.id.startswith(start)), None)


@pytest.mark.parametrize("knob", [k for k in KNOBS if k.id not in ONE_VALUE], ids=lambda k: k.id)
def test_turning_a_knob_moves_the_plan(knob: Knob, shop: Workshop) -> None:
    if (code := refusal(knob)) is not None:
        assert code in shop.codes(knob.after, knob.machine)
        return
    before = told_of(shop, knob.before, knob.machine)
    assert before != told(shop.plan(knob.after, knob.machine))


def test_the_tables_name_knobs_that_exist() -> None:
    ids = [knob.id for knob in KNOBS]
    assert len(ids) == len(set(ids))
    for start in (*ONE_VALUE, *REFUSED):
        assert [i for i in ids if i.startswith(start)], start
