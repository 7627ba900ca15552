"""Components are found by their folder, and a mistake in a folder is found at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recipe_runner.components.adapter import Setting
from recipe_runner.components.base import (
    Component,
    NotResolvedError,
    create,
    discover,
    settled,
)
from recipe_runner.plan import Call
from recipe_runner.recipe.json_schema import axis_of

AXES = (
    "adapters",
    "algorithms",
    "formats",
    "levers",
    "quantizations",
    "rewards",
    "shardings",
    "sources",
    "trackers",
)
COMPONENTS = [
    pytest.param(component, id=f"{axis}/{name}")
    for axis in AXES
    for name, component in discover(f"recipe_runner.components.{axis}").items()
]

FILE = """
from typing import Literal
from recipe_runner.components.base import Component

class {name}(Component):
    type: Literal["{kind}"]
"""

Make = Callable[[dict[str, str]], str]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make a package of component files, and forget it afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(files: dict[str, str]) -> str:
        name = f"axis_{tmp_path.name}".replace("-", "_")
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for file, text in files.items():
            (folder / file).write_text(text)
        return name

    yield write
    for module in set(sys.modules) - before:
        del sys.modules[module]


def test_two_files_may_not_claim_one_type(make: Make) -> None:
    files = {"a.py": FILE.format(name="A", kind="x"), "b.py": FILE.format(name="B", kind="x")}
    with pytest.raises(TypeError, match=r"\.b and .*\.a are both 'x'"):
        discover(make(files))


def test_a_file_is_found_by_its_type(make: Make) -> None:
    files = {"b.py": FILE.format(name="B", kind="a"), "a.py": FILE.format(name="A", kind="b")}
    found = discover(make(files))
    assert list(found) == ["a", "b"]
    assert found["a"].__name__ == "B"


def test_what_a_file_only_imports_is_not_its_component(make: Make) -> None:
    inside = (
        FILE.format(name="A", kind="a")
        + "from recipe_runner.components.adapters.lora import Lora\n"
    )
    assert list(discover(make({"a.py": inside}))) == ["a"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_has_a_contract_a_page_and_a_snippet(component: type[Component]) -> None:
    assert axis_of(component) is not None
    assert component.__doc__
    assert component.__doc__ != Component.__doc__
    assert component.type_name() in component.snippet or component.snippet.startswith("train:")


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_file_is_named_after_its_type(component: type[Component]) -> None:
    assert component.__module__.rpartition(".")[2] == component.type_name()


def test_create_reads_plain_values() -> None:
    adapter = create("recipe_runner.components.adapters", {"type": "lora", "r": 4})
    assert adapter.options()["r"] == 4


def test_compiling_an_open_value_is_our_fault() -> None:
    adapter = create("recipe_runner.components.adapters", {"type": "lora"})
    with pytest.raises(NotResolvedError):
        adapter.compile(Setting("causal_lm"))
    assert settled(3) == 3


def test_lora_becomes_a_call_with_every_field() -> None:
    adapter = create(
        "recipe_runner.components.adapters", {"type": "lora", "r": 4, "lora_alpha": 8.0}
    )
    call = adapter.compile(Setting("causal_lm"))
    assert isinstance(call, Call)
    assert call.target == "peft:LoraConfig"
    assert (call.arguments["lora_alpha"], call.arguments["task_type"]) == (8.0, "CAUSAL_LM")
    assert "type" not in call.arguments
