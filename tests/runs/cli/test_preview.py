"""The command as a person types it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.cli.app import main

pytestmark = pytest.mark.runs

ROWS = [
    {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": answer}]}
    for answer in ("yes", "no", "please")
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "chat.jsonl").write_text(text, encoding="utf-8")
    recipe = {
        "recipe": 1,
        "model": str(tiny_llama),
        "data": {"train": "chat.jsonl", "max_length": 64},
        "algorithm": "sft",
        "training": {"max_steps": 1, "global_batch_size": 1},
        "output_dir": "runs/x",
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    return tmp_path


def test_a_row_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "recipe.yaml", "--row", "2"]) == 0
    shown = capsys.readouterr().out
    assert "Row 2 of chat.jsonl" in shown
    assert "⟦no<|im_end|>⟧↵" in shown
    assert "yes" not in shown


def test_a_row_with_a_fault_is_shown_with_it(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    broken = json.dumps({"messages": [{"role": "user", "content": "hello"}]})
    with (folder / "chat.jsonl").open("a", encoding="utf-8") as file:
        file.write(broken + "\n{oh\n")
    assert main(["check", "recipe.yaml"]) == 1
    capsys.readouterr()
    assert main(["preview", "recipe.yaml", "--row", "4", "--row", "5"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "RR420 no-trained-token" in shown
    assert "RR402 malformed-row" in shown


def test_json_and_html_together(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["preview", "recipe.yaml", "--json", "--html", "page.html"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in value["shown"][0]["rows"]] == [1, 2, 3]
    assert (folder / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--row", "9"], id="no such row"),
        pytest.param(["--eval"], id="nothing to evaluate on"),
        pytest.param(["--check"], id="compare with what"),
        pytest.param(["--golden", "--check"], id="no golden file"),
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert main(["preview", "recipe.yaml", *arguments]) == 2


def test_golden_rows_from_the_first_to_the_last(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    loss = ["--set", "data.loss_on=all"]
    assert main(["preview", "recipe.yaml", "--golden"]) == 0
    assert "wrote recipe.golden.json: 3 rows" in capsys.readouterr().out
    assert main(["preview", "recipe.yaml", "--golden", "--check"]) == 0
    assert main(["check", "recipe.yaml"]) == 0
    assert "RR450" not in capsys.readouterr().out

    assert main(["check", "recipe.yaml", *loss]) == 0
    assert "RR450" in capsys.readouterr().out
    assert main(["preview", "recipe.yaml", "--golden", "--check", *loss]) == 1
    assert "RR451" in capsys.readouterr().err
    assert main(["preview", "recipe.yaml", "--golden", "--diff", *loss]) == 0
    assert "3 of 3 golden rows of recipe.golden.json differ" in capsys.readouterr().out
    assert main(["train", "recipe.yaml", *loss]) == 3
    assert "RR451" in capsys.readouterr().err
    assert not (folder / "runs" / "x" / "model").exists()

    assert main(["preview", "recipe.yaml", "--golden", *loss]) == 0
    assert main(["preview", "recipe.yaml", "--golden", "--check", *loss]) == 0


def test_a_check_sees_another_row(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["preview", "recipe.yaml", "--golden"]) == 0
    file = folder / "chat.jsonl"
    file.write_text(file.read_text(encoding="utf-8").replace('"no"', '"never"'), encoding="utf-8")
    capsys.readouterr()
    assert main(["check", "recipe.yaml"]) == 0
    assert "row 2 of `chat.jsonl` is another one" in capsys.readouterr().out


def test_preparing_compares_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "recipe.yaml", "--golden"]) == 0
    assert main(["prepare", "recipe.yaml"]) == 0
    capsys.readouterr()
    assert main(["prepare", "recipe.yaml", "--set", "data.loss_on=all"]) == 3
    assert "RR451" in capsys.readouterr().err
