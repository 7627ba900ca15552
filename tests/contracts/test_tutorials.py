"""Every command of every tutorial is run, in order, and its output is the one that is shown.

A tutorial is read as a script. A fence with `file=NAME` writes that file; a `console` fence
runs the lines that begin with `$ ` and compares what follows them. `exit=N` in the fence's
info is the exit code of its commands, 0 where there is none. In the output that is shown,
`...` stands for anything: within a line for any characters, alone on a line for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ "


@dataclass(frozen=True)
class File:
    """Text that the reader saves under `name`."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line that the reader types, the output that is shown for it, and its exit code."""

    line: str
    shown: str
    code: int


def steps(markdown: str) -> Iterator[File | Command]:
    for fence in _FENCE.finditer(markdown):
        language, _, rest = fence["info"].partition(" ")
        options = dict(word.split("=", 1) for word in rest.split())
        if "file" in options:
            yield File(options["file"], fence["body"])
        elif language == "console":
            code = int(options.get("exit", 0))
            for part in re.split(r"^\$ ", fence["body"], flags=re.MULTILINE)[1:]:
                line, _, shown = part.partition("\n")
                yield Command(line, shown, code)


def matches(shown: str, printed: str) -> bool:
    lines = shown.rstrip().splitlines()
    pattern = "".join(
        r"(?:[^\n]*\n)*" if line == "..." else _of_line(line) + r"[ ]*\n" for line in lines
    )
    return re.fullmatch(pattern, printed.rstrip() + "\n") is not None


def _of_line(line: str) -> str:
    return r"[^\n]*".join(re.escape(piece) for piece in line.split("..."))


@pytest.mark.parametrize(
    ("shown", "printed", "equal"),
    [
        pytest.param("one\n", "one\n", True, id="same"),
        pytest.param("one\n", "two\n", False, id="other"),
        pytest.param("loss ... left\n", "loss 1.5  9s left\n", True, id="part of a line"),
        pytest.param("one\n...\nfour\n", "one\ntwo\nthree\nfour\n", True, id="lines between"),
        pytest.param("one\n...\n", "one\n", True, id="no lines at all"),
        pytest.param("one ... three\n", "one\nthree\n", False, id="a line is not skipped within"),
        pytest.param("one\n...\nfour\n", "one\ntwo\n", False, id="the end is missing"),
    ],
)
def test_shown_output_matches_with_wildcards(shown: str, printed: str, equal: bool) -> None:
    assert matches(shown, printed) is equal


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a shell has after `source .venv/bin/activate`, on a narrow terminal without color."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, arguments in (
        ("recipe-run", '-c "import sys; from recipe_runner.cli import main; sys.exit(main())"'),
        ("python", ""),
    ):
        program = bin_ / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "LC_ALL": "C.UTF-8",
    }


@pytest.mark.runs
@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial_does_what_it_shows(
    tutorial: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for step in steps(tutorial.read_text(encoding="utf-8")):
        if isinstance(step, File):
            (work / step.name).write_text(step.text, encoding="utf-8")
            continue
        done = subprocess.run(
            ["bash", "-c", step.line],
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == step.code, f"$ {step.line}\n{done.stdout}"
        if step.shown.strip():
            assert matches(step.shown, done.stdout), (
                f"$ {step.line}\nshown:\n{step.shown}\nprinted:\n{done.stdout}"
            )


def test_there_is_a_tutorial() -> None:
    assert [path.stem for path in TUTORIALS] == ["first-run"]
