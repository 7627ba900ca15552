"""`--set path=value`."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.syntax import Document, parse, with_overrides

RECIPE = """\
recipe: 1
model: org/model
data: {train: [{path: a}, {path: b}]}
training: {seed: 1, deep: {x: 1}}
adapter:
"""


def recipe() -> Document:
    document, _ = parse(RECIPE, "r.yaml")
    assert document is not None
    return document


ACCEPTED: list[tuple[list[str], str, Any]] = [
    (
        ["training.learning_rate=2e-4"],
        "training",
        {"seed": 1, "deep": {"x": 1}, "learning_rate": 2e-4},
    ),
    (["training.deep.x=no"], "training", {"seed": 1, "deep": {"x": "no"}}),
    (["training={a: [1, .5]}"], "training", {"a": [1, 0.5]}),
    (["training.seed="], "training", {"seed": None, "deep": {"x": 1}}),
    (["launch.fsdp.offload=true"], "launch", {"fsdp": {"offload": True}}),
    (["adapter.r=8"], "adapter", {"r": 8}),
    (["adapter=lora"], "adapter", "lora"),
    (["data.train.0.path=x"], "data", {"train": [{"path": "x"}, {"path": "b"}]}),
    (["data.train.1=x"], "data", {"train": [{"path": "a"}, "x"]}),
    (["data.train=x"], "data", {"train": "x"}),
    (["model={name_or_path: m}", "model.dtype=f"], "model", {"name_or_path": "m", "dtype": "f"}),
    (['p."model.layers.0"=8'], "p", {"model.layers.0": 8}),
    (["p.0=8"], "p", {"0": 8}),
    (["name=a=b"], "name", "a=b"),
    (["name='1'"], "name", "1"),
    (["name=1", "name=2"], "name", 2),
]


@pytest.mark.parametrize(
    ("arguments", "key", "expected"), ACCEPTED, ids=[c[0][-1] for c in ACCEPTED]
)
def test_values_are_set(arguments: list[str], key: str, expected: Any) -> None:
    before = recipe()
    document, diagnostics = with_overrides(before, arguments)
    assert diagnostics == ()
    assert document is not None
    assert document.value == {**before.value, key: expected}
    assert before == recipe()


REFUSED: list[tuple[str, str, str]] = [
    ("training.seed", "RR010", "has no `=`"),
    ("=1", "RR010", "keys joined by dots"),
    ("training..seed=1", "RR010", "keys joined by dots"),
    ("training.=1", "RR010", "keys joined by dots"),
    ('a."b=1', "RR010", "keys joined by dots"),
    ("model.dtype=float32", "RR011", "`model` is the single value `org/model`"),
    ("training.seed.x=1", "RR011", "`training.seed` is the single value `1`"),
    ("data.train.2.path=x", "RR012", "items 0 to 1"),
    ("data.train.-1=x", "RR012", "`-1`"),
    ("data.train.path=x", "RR012", "`path`"),
    ("data.train.\u0661=x", "RR012", "`\u0661`"),
    ("name=[1", "RR103", "not closed"),
    ("name=!x 1", "RR107", "`!x`"),
    ("name=.inf", "RR118", "the value is .inf"),
    ("name=a\0", "RR008", "NUL"),
]


@pytest.mark.parametrize(("argument", "code", "part"), REFUSED, ids=[repr(c[0]) for c in REFUSED])
def test_arguments_that_cannot_be_applied(argument: str, code: str, part: str) -> None:
    document, (diagnostic,) = with_overrides(recipe(), [argument])
    assert document is None
    assert diagnostic.code.id == code
    assert part in diagnostic.message
    assert diagnostic.place.path == f"--set {argument}"


def test_all_faults_are_told_at_once() -> None:
    _, diagnostics = with_overrides(recipe(), ["a", "training.seed=2", "model.x=1"])
    assert [diagnostic.code.id for diagnostic in diagnostics] == ["RR010", "RR011"]


def test_places_below_a_set_value_point_at_the_argument() -> None:
    document, _ = with_overrides(recipe(), ["training={deep: 1}", "data.train.0.path=x"])
    assert document is not None
    assert document.place(("training", "deep", "x")).path == "--set training={deep: 1}"
    assert document.place(("data", "train", 0, "path")).path == "--set data.train.0.path=x"
    assert document.place(("data", "train", 1, "path")).span.start.line == 3
    assert not any(path[:1] == ("training",) for path in document.spans)


def test_a_later_argument_hides_those_below_it() -> None:
    document, _ = with_overrides(recipe(), ["training.seed=2", "training={seed: 3}"])
    assert document is not None
    assert document.place(("training", "seed")).path == "--set training={seed: 3}"
