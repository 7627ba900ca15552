"""`recipe-run data stats`: figures of real preparations, as a person and as a program see them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.golden.file import Golden

pytestmark = [pytest.mark.runs, pytest.mark.slow]

RECIPE = {
    "recipe": 1,
    "model": {"name_or_path": "shipped:quickstart", "random_init": True},
    "tokenizer": "shipped:quickstart",
    "algorithm": "sft",
    "training": {"global_batch_size": 4, "per_device_train_batch_size": 4, "max_steps": 1},
    "launch": {"use_cpu": True, "num_processes": 1},
    "output_dir": "runs/x",
}


def chat(words: int, end: str) -> str:
    turns = [("user", "Say it."), ("assistant", "la " * words + end)]
    messages = [{"role": role, "content": text} for role, text in turns]
    return json.dumps({"messages": messages}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """60 short rows and some long ones, 4 copies, and 2 rows that evaluate as well."""
    short = [chat(n % 9, str(n)) for n in range(60)]
    long = [chat(200 + 10 * n, "long") for n in range(4)]
    (tmp_path / "a.jsonl").write_text("".join([*short, *long, *short[:3]]))
    (tmp_path / "b.jsonl").write_text("".join([short[5], *(chat(30, f"b{n}") for n in range(19))]))
    (tmp_path / "eval.jsonl").write_text("".join([chat(2, "new"), short[7], short[8]]))
    return tmp_path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: equal data are found again wherever they are."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def stats(folder: Path, cache: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*more: str, **data: Any) -> subprocess.CompletedProcess[str]:
        given = {"train": ["a.jsonl", "b.jsonl"], "eval": "eval.jsonl", "max_length": 128}
        (folder / "recipe.yaml").write_text(json.dumps({**RECIPE, "data": {**given, **data}}))
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "80",
            "PYTHONIOENCODING": "utf-8",
            "RECIPE_RUNNER_CACHE": str(cache),
        }
        return subprocess.run(
            [sys.executable, "-m", "recipe_runner", "data", "stats", "recipe.yaml", *more],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_figures_as_json(stats: Any) -> None:
    done = stats("--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["train_rows"] == found["rows"] == 87
    assert found["eval_rows"] == 3
    a, b, held = found["sources"]
    assert a["copies"] == {"within": 3, "across": 0, "evaluated": 2}
    assert b["copies"] == {"within": 0, "across": 1, "evaluated": 0}
    assert held["copies"] == {"within": 0, "across": 0, "evaluated": 0}
    assert a["truncated_rows"] == 4
    # Lengths are in full, although the rows were cut.
    (cut,) = (cut for cut in found["cuts"] if cut["max_length"] == 128)
    assert "recipe" in cut["notes"]
    assert cut["rows"] == a["truncated_rows"]
    assert cut["tokens"] == a["truncated_tokens"]
    assert found["tokens"] == a["tokens"] + b["tokens"] + a["truncated_tokens"]
    assert found["percentiles"]["max"] > 128
    assert a["share"] + b["share"] == pytest.approx(1)
    assert "RR460" in done.stderr


def test_split_rows_count_in_full(stats: Any) -> None:
    whole = json.loads(stats("--json").stdout)
    split = json.loads(stats("--json", overlong="split").stdout)
    for name in ("rows", "tokens", "percentiles", "histogram", "suggestion"):
        assert split[name] == whole[name]
    assert split["train_rows"] > whole["train_rows"]


def test_removed_and_repeated_rows(stats: Any) -> None:
    train = ["a.jsonl", {"path": "b.jsonl", "repeat": 3}]
    found = json.loads(
        stats("--json", train=train, deduplicate="exact", leakage="drop", overlong="drop").stdout
    )
    a, b, _ = found["sources"]
    assert [(r["reason"], r["rows"], r["removed"]) for r in a["repeated"]] == [
        ("duplicate", 3, True),
        ("leaked", 2, True),
    ]
    assert (a["epoch_rows"], b["epoch_rows"]) == (58, 19 * 3)
    assert found["rows"] == 58 + 19
    assert found["unknown"] == 4


def test_the_page_on_a_terminal(stats: Any, golden: Golden) -> None:
    done = stats()
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    golden("screens/data-stats.txt", done.stdout)


def test_the_leakage_is_told(stats: Any, golden: Golden) -> None:
    golden("screens/leakage.txt", _findings(stats()))


def _findings(done: subprocess.CompletedProcess[str]) -> str:
    """What is told of the data, without how far preparing was on a slow machine."""
    lines = done.stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("Preparing rows"))


def test_the_leakage_is_refused(stats: Any, golden: Golden) -> None:
    done = stats(leakage="error")
    assert done.returncode == 3
    golden("screens/leakage-refused.txt", _findings(done))


def test_the_page_for_a_browser_needs_nothing_else(stats: Any, folder: Path) -> None:
    done = stats("--html", "stats.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote stats.html\n"
    page = (folder / "stats.html").read_text(encoding="utf-8")
    seen = Seen()
    seen.feed(page)
    assert seen.open == []
    assert {"svg", "table", "style"} <= seen.tags
    assert not seen.tags & {"script", "img", "link", "iframe"}
    assert not re.findall(r"(?:src|href|url)\s*[=(]", page)
    assert "Suggested max_length" in page


class Seen(HTMLParser):
    """The tags of a page, and those that are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_stream_has_no_figures(stats: Any) -> None:
    done = stats(streaming=True, leakage="ignore")
    assert done.returncode == 2
    assert "--set data.streaming=false" in done.stderr


def test_a_recipe_with_errors_says_so(stats: Any) -> None:
    done = stats(train="missing.jsonl")
    assert done.returncode == 1
    assert "RR401" in done.stderr
    assert done.stdout == ""
