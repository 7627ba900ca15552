"""What a recipe names is looked at before a run: files, model, template, disk."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from tests.workshop import CHAT, Workshop, recipe, workshop

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def own(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("data/chat.jsonl", ["chat.jsonl"]),
        ("./data/chat.jsonl", ["chat.jsonl"]),
        ("data/[ce]*a*.jsonl", ["chat.jsonl", "eval.jsonl"]),
    ],
)
def test_paths_of_data(shop: Workshop, path: str, files: list[str]) -> None:
    (source,) = shop.plan(recipe({"data.train": path})).data.train
    assert [Path(file).name for file in source.files] == files
    assert source.path == path


def test_a_folder_is_all_its_data_files(own: Workshop) -> None:
    folder = own.folder / "parts"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.jsonl", "deep/a.jsonl", "notes.md"):
        (folder / name).write_text(json.dumps(CHAT) + "\n", encoding="utf-8")
    (source,) = own.plan(recipe({"data.train": "parts"})).data.train
    assert [Path(file).name for file in source.files] == ["b.jsonl", "a.jsonl"]
    assert source.rows == 2


def test_patterns_of_absolute_paths_and_of_folders_below(own: Workshop) -> None:
    for path in (f"{own.folder}/data/ch*.jsonl", "**/ch*.jsonl", "data/**chat.jsonl"):
        (source,) = own.plan(recipe({"data.train": path})).data.train
        assert [Path(file).name for file in source.files] == ["chat.jsonl"]


def test_a_folder_of_several_kinds_is_refused(own: Workshop) -> None:
    (found,) = own.compile(recipe({"data.train": "data"})).report
    assert found.code.id == "RR401"
    assert "`book.txt`, `chat.jsonl`, `pairs.csv`" in found.message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"data.train": "~nobody-here/a.jsonl"}, "RR401", id="data-of-nobody"),
        pytest.param({"data.train": "~nobody-here/*.jsonl"}, "RR401", id="pattern-of-nobody"),
        pytest.param({"data.train": "a\0b.jsonl"}, "RR401", id="data-null-character"),
        pytest.param({"data.train": f"{'a' * 5000}.jsonl"}, "RR401", id="data-long-name"),
        pytest.param({"model": "a\0b"}, "RR411", id="model-null-character"),
        pytest.param({"model": f"./{'a' * 5000}"}, "RR411", id="model-long-name"),
        pytest.param({"model": "data/chat.jsonl"}, "RR411", id="model-is-a-file"),
        pytest.param({"output_dir": "~nobody-here/x"}, "RR413", id="output-of-nobody"),
        pytest.param({"output_dir": "a" * 5000}, "RR413", id="output-long-name"),
        pytest.param({"output_dir": "a\0b"}, "RR413", id="output-null-character"),
        pytest.param(
            {"tokenizer.chat_template": {"file": "a\0b"}}, "RR412", id="template-null-character"
        ),
        pytest.param(
            {"tokenizer.chat_template": {"file": "latin.jinja"}}, "RR412", id="template-not-utf8"
        ),
    ],
)
def test_texts_that_are_no_paths(own: Workshop, changes: dict[str, Any], code: str) -> None:
    (own.folder / "latin.jinja").write_bytes(b"caf\xe9")
    assert own.codes(recipe(changes)) == [code]


@pytest.mark.parametrize(
    ("path", "help_part"),
    [
        ("data/chats.jsonl", "did you mean `chat.jsonl`?"),
        ("data/*.parquet", "relative to the recipe's folder"),
        ("./nowhere", "relative to the recipe's folder"),
        ("../nowhere", "relative to the recipe's folder"),
    ],
)
def test_data_that_is_not_there(shop: Workshop, path: str, help_part: str) -> None:
    (found,) = shop.compile(recipe({"data.train": path})).report
    assert found.code.id == "RR401"
    assert help_part in found.help


def test_an_ending_that_tells_no_kind(own: Workshop) -> None:
    (own.folder / "data" / "rows.xyz").write_text("a\n", encoding="utf-8")
    (found,) = own.compile(recipe({"data.train": "data/rows.xyz"})).report
    assert found.code.id == "RR401"
    assert "set `source`" in found.help


def test_a_hub_id_is_not_looked_for(shop: Workshop) -> None:
    changes = {"data.train.path": "org/set", "data.train.format": "messages"}
    (source,) = shop.plan(recipe(changes)).data.train
    assert (source.loader, source.files, source.rows) == ("hub", (), None)


def test_the_first_bad_row_is_named_with_its_line(own: Workshop) -> None:
    rows = [json.dumps(CHAT)] * 3 + ['{"messages": ', '{"other": 1}']
    (own.folder / "data" / "chat.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    report = own.compile(recipe()).report
    assert [(d.code.id, d.place.span.start.line) for d in report] == [("RR402", 4), ("RR404", 5)]
    assert own.codes(recipe({"data.train.on_bad_row": "drop"})) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("org/model", None),
        ("gpt2", None),
        ("./models/none", "RR411"),
        ("/nowhere/at/all", "RR411"),
        ("shipped:nothing", "RR411"),
        ("a/b/c", "RR411"),
    ],
)
def test_models_by_name(shop: Workshop, name: str, code: str | None) -> None:
    assert shop.codes(recipe({"model": name})) == ([code] if code else [])


@pytest.mark.parametrize(
    ("template", "source"),
    [
        ("tokenizer", "tokenizer"),
        ("chatml", "shipped:chatml"),
        ({"file": "chat.jinja"}, "chat.jinja"),
        ({"inline": "{{ messages }}"}, "inline"),
    ],
)
def test_chat_templates(shop: Workshop, template: Any, source: str) -> None:
    plan = shop.plan(recipe({"tokenizer.chat_template": template}))
    assert plan.tokenizer.chat_template_source == source
    assert (plan.tokenizer.chat_template is None) is (template == "tokenizer")


def test_a_full_disk_is_told_before_the_run(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A full disk cannot be had in a test; what the system says of it is replaced.
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 1 << 20))
    (found,) = shop.compile(recipe()).report
    assert found.code.id == "RR414"
    assert "1.0 MiB" in found.message


def test_an_output_below_a_file(shop: Workshop) -> None:
    assert shop.codes(recipe({"output_dir": "data/chat.jsonl/runs"})) == ["RR413"]
