"""The key of prepared data has every field that can change a token, and all code that reads rows."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest

from recipe_runner.execute.data.key import CODE, DATA_KEEPS_OUT, SOURCE_KEEPS_OUT, key_of
from recipe_runner.plan import (
    DataPlan,
    DeduplicatePlan,
    FormatPlan,
    LossPlan,
    Plan,
    RowPolicy,
    SourcePlan,
    StepLoss,
)

pytestmark = pytest.mark.runs

SOURCE = SourcePlan(
    "chat.jsonl",
    "json",
    FormatPlan("messages", "conversation"),
    LossPlan.of("assistant"),
    files=("/chat.jsonl",),
)
OTHER: dict[type, dict[str, Any]] = {
    LossPlan: {
        "on": "all",
        "roles": ("user",),
        "turns": "last",
        "end_of_turn": "none",
        "end_of_turn_tokens": ("<end>",),
        "weights": {"answer": 0.5},
    },
    RowPolicy: {
        field.name: "drop" for field in dataclasses.fields(RowPolicy)
    },
    FormatPlan: {"type": "text", "shape": "text", "options": {"role_key": "role"}},
    DeduplicatePlan: {"method": "near", "threshold": 0.5},
    SourcePlan: {
        "path": "moved.jsonl",
        "loader": "csv",
        "format": FormatPlan("text", "text"),
        "loss": LossPlan.of("all"),
        "loader_options": {"delimiter": ";"},
        "files": ("/moved.jsonl",),
        "name": "part",
        "split": "test",
        "revision": "abc",
        "columns": {"messages": "turns"},
        "limit": 7,
        "fraction_of_rows": 0.5,
        "repeat": 2,
        "probability": 0.3,
        "on_bad_row": RowPolicy.of("drop"),
        "rows": 99,
    },
    DataPlan: {
        "train": (SOURCE, SOURCE),
        "eval": (SOURCE,),
        "eval_split": 0.3,
        "mix_strategy": "interleave",
        "mix_stopping": "all_exhausted",
        "deduplicate": DeduplicatePlan(),
        "leakage": "drop",
        "streaming": True,
        "shuffle": False,
        "shuffle_buffer": 7,
        "seed": 43,
        "max_length": 99,
        "overlong": "drop",
        "truncation_mode": "keep_end",
        "packing": "bfd",
        "eval_packing": "bfd",
        "num_proc": 3,
        "steps": StepLoss("X"),
    },
}  # fmt: skip
"""Another value for every field that a plan's data have."""

CASES = [(owner, name) for owner, fields in OTHER.items() for name in fields]


@pytest.mark.parametrize("owner", OTHER, ids=lambda owner: owner.__name__)
def test_the_table_has_every_field(owner: Any) -> None:
    assert set(OTHER[owner]) == {field.name for field in dataclasses.fields(owner)}


@pytest.mark.parametrize(("owner", "name"), CASES, ids=[f"{o.__name__}.{n}" for o, n in CASES])
def test_every_field_changes_the_key_or_is_known_to_change_no_token(
    owner: type, name: str, plan: Any
) -> None:
    # Half of the rows are drawn, so the seed counts.
    data = DataPlan(
        (dataclasses.replace(SOURCE, on_bad_row=RowPolicy()),),
        eval_split=0.2,
        deduplicate=DeduplicatePlan(),
    )
    if owner is DataPlan and name == "deduplicate":
        data = dataclasses.replace(data, deduplicate=None)
    changed = changed_at(data, owner, {name: OTHER[owner][name]})
    keys = {key(plan(*each.train), each) for each in (data, changed)}
    free = {DataPlan: DATA_KEEPS_OUT - {"train", "eval"}, SourcePlan: SOURCE_KEEPS_OUT}
    assert len(keys) == (1 if name in free.get(owner, ()) else 2)


def key(plan: Plan, data: DataPlan) -> str:
    contents = [["0"]] * len((*data.train, *data.eval))
    return key_of(dataclasses.replace(plan, data=data), {"class": "T"}, contents).text


def changed_at(data: DataPlan, owner: type, change: dict[str, Any]) -> DataPlan:
    if owner is DataPlan:
        return dataclasses.replace(data, **change)
    if owner is DeduplicatePlan:
        return dataclasses.replace(data, deduplicate=DeduplicatePlan(**change))
    source = data.train[0]
    places = {LossPlan: "loss", RowPolicy: "on_bad_row", FormatPlan: "format"}
    if owner is not SourcePlan:
        place = places[owner]
        change = {place: dataclasses.replace(getattr(source, place), **change)}
    return dataclasses.replace(data, train=(dataclasses.replace(source, **change),))


LOADED = """
import json, sys
import recipe_runner.execute.data.build
from recipe_runner.components.base import discover
for axis in ("formats", "sources"):
    discover(f"recipe_runner.components.{axis}")
print(json.dumps([name for name in sys.modules if name.startswith("recipe_runner.")]))
"""
NO_ROWS = (
    "recipe_runner.components.docs",
    "recipe_runner.diagnostics",
    "recipe_runner.execute.atomic",
    "recipe_runner.execute.build",
    "recipe_runner.execute.cache_root",
    "recipe_runner.execute.codes",
    "recipe_runner.execute.console",
    "recipe_runner.execute.fault",
    "recipe_runner.execute.screen",
    "recipe_runner.plan",
    "recipe_runner.upstream",
)
"""What preparing imports and that never sees a row: plans are in the key as values."""


def test_all_code_that_preparing_imports_is_in_the_key() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    covered = tuple(f"{package}.{name.removesuffix('.py')}" for package, name in CODE)
    left = [
        name
        for name in json.loads(done.stdout)
        if not name.startswith((*covered, *NO_ROWS))
        and not any(each.startswith(f"{name}.") for each in covered)
    ]
    assert left == []


def test_code_of_the_key_is_there() -> None:
    for package, name in CODE:
        place = files(package) / name
        assert place.is_file() or place.is_dir(), (package, name)
