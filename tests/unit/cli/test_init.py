"""`recipe-run init` writes a recipe that checks clean, and never over another file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.cli.starter import Answers, axis, starter
from recipe_runner.syntax import parse
from tests.unit.cli.conftest import Command
from tests.unit.cli.terminal import on_terminal
from tests.workshop import Workshop

CHOICES = (("lora", "none"), ("lora", "bnb_4bit"), ("vera", "none"), ("none", "none"))
ALONE = [name for name in axis("adapter") if name not in ("adalora", "continued")]
"""Adapters that want nothing else of the recipe."""


@pytest.mark.parametrize(("adapter", "quantization"), CHOICES)
def test_the_recipe_checks_clean_where_the_data_is_there(
    recipe_run: Command, adapter: str, quantization: str
) -> None:
    flags = ("--data", "chat.jsonl", "--adapter", adapter, "--quantization", quantization)
    made = recipe_run("init", "new.yaml", *flags, "--yes")
    assert (made.returncode, made.stderr) == (0, "")
    assert recipe_run("check", "new.yaml").stdout == "nothing to report in 1 file\n"


@pytest.mark.parametrize("adapter", ALONE)
def test_the_recipe_of_every_adapter_compiles(adapter: str, shop: Workshop) -> None:
    answers = Answers("new.yaml", "s.json", "org/m", "data/chat.jsonl", adapter, None, "runs/new")
    compiled = shop.compile_text(starter(answers))
    assert compiled.report.diagnostics == ()


def test_the_first_line_leads_an_editor_to_the_schema(recipe_run: Command, folder: Path) -> None:
    recipe_run("init", "new.yaml", "--yes")
    first = (folder / "new.yaml").read_text(encoding="utf-8").splitlines()[0]
    start, _, name = first.partition("$schema=")
    assert start == "# yaml-language-server: "
    assert json.loads((folder / name).read_text(encoding="utf-8"))["type"] == "object"


def test_a_schema_of_the_project_is_used(recipe_run: Command, folder: Path) -> None:
    (folder / "schemas").mkdir()
    (folder / "schemas/recipe-v1.schema.json").write_text("{}", encoding="utf-8")
    (folder / "recipes").mkdir()
    recipe_run("init", "recipes/new.yaml", "--yes")
    text = (folder / "recipes/new.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../schemas/recipe-v1.schema.json\n")
    assert sorted(path.name for path in (folder / "recipes").iterdir()) == ["new.yaml"]


def test_a_file_that_is_there_stays(recipe_run: Command, folder: Path) -> None:
    before = (folder / "recipe.yaml").read_bytes()
    done = recipe_run("init", "recipe.yaml", "--yes")
    assert (done.returncode, (folder / "recipe.yaml").read_bytes()) == (2, before)
    assert "is there already" in done.stderr


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["--adapter", "lorra"], id="unknown-adapter"),
        pytest.param(["--quantization", "three_bits"], id="unknown-quantization"),
        pytest.param(["--adapter", "none", "--quantization", "bnb_4bit"], id="nothing-to-train"),
    ],
)
def test_answers_that_cannot_be_are_wrong_usage(
    recipe_run: Command, folder: Path, flags: list[str]
) -> None:
    assert recipe_run("init", "new.yaml", *flags, "--yes").returncode == 2
    assert not (folder / "new.yaml").exists()


def test_data_is_named_as_the_recipe_sees_it(recipe_run: Command, folder: Path) -> None:
    (folder / "deep").mkdir()
    recipe_run("init", "deep/new.yaml", "--data", "chat.jsonl", "--yes")
    assert "train: ../chat.jsonl" in (folder / "deep/new.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["no", "1e4", "a: b", "it's # fine", "2024-01-01", "~", "*x", "0x1"]
)
def test_any_text_comes_back_as_it_was(recipe_run: Command, folder: Path, text: str) -> None:
    recipe_run("init", "new.yaml", "--output-dir", text, "--yes")
    document, _ = parse((folder / "new.yaml").read_text(encoding="utf-8"), "new.yaml")
    assert document is not None
    assert document.value["output_dir"] == text


def test_it_asks_on_a_terminal(folder: Path) -> None:
    answers = "org/name\nchat.jsonl\nlora\nbnb_4bit\nruns/asked\n"
    code, shown = on_terminal(["init", "new.yaml"], folder, answers)
    assert code == 0, shown
    document, _ = parse((folder / "new.yaml").read_text(encoding="utf-8"), "new.yaml")
    assert document is not None
    assert document.value["model"] == "org/name"
    assert document.value["quantization"] == "bnb_4bit"
    assert document.value["output_dir"] == "runs/asked"
