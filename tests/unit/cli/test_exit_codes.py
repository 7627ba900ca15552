"""Whatever happens ends as an exit code and a message, never as a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Command


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["chek"], 2, "did you mean `check`", id="unknown-command"),
        pytest.param(["check"], 2, "recipe-run check: Missing argument", id="no-recipe"),
        pytest.param(["check", "--fromat", "json"], 2, "--format", id="unknown-option"),
        pytest.param(["check", "empty"], 2, "holds no file", id="folder-without-recipes"),
        pytest.param(["check", "recipe.yaml", "--machine", "eight"], 2, "RR415", id="machine"),
        pytest.param(["plan", "recipe.yaml", "--nodes", "0"], 2, "--nodes", id="no-nodes"),
        pytest.param(["plan", "gone.yaml"], 1, "RR001", id="plan-missing-file"),
        pytest.param(["train", "gone.yaml"], 1, "RR001", id="train-missing-file"),
        pytest.param(["train", "recipe.yaml", "--resume", "x"], 2, "neither auto", id="resume"),
        pytest.param(["plan", "empty"], 1, "RR002", id="plan-folder"),
        pytest.param(
            ["preview", "recipe.yaml", "--html", "empty"],
            2,
            "`empty` is a folder",
            id="page-folder",
        ),
        pytest.param(
            ["preview", "recipe.yaml", "--html", "a/b.html"],
            2,
            "there is no folder `a`",
            id="page-nowhere",
        ),
        pytest.param(
            ["data", "stats", "recipe.yaml", "--html", "empty"], 2, "is a folder", id="stats"
        ),
        pytest.param(
            ["preview", "recipe.yaml", "--check"], 2, "go with --golden", id="check-alone"
        ),
        pytest.param(
            ["preview", "recipe.yaml", "--golden", "--json"],
            2,
            "--golden takes --rows",
            id="golden-and-json",
        ),
        pytest.param(
            ["preview", "recipe.yaml", "--row", "1", "--rows", "2"],
            2,
            "one of the two",
            id="row-and-rows",
        ),
        pytest.param(
            ["preview", "recipe.yaml", "--worst", "longest", "--row", "1"],
            2,
            "chooses the rows itself",
            id="worst-and-row",
        ),
    ],
)
def test_mistakes_are_told_on_standard_error(
    recipe_run: Command, folder: Path, arguments: list[str], code: int, said: str
) -> None:
    (folder / "empty").mkdir()
    done = recipe_run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m recipe_runner schema | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_an_unexpected_exception_is_told_with_the_place_of_its_traceback(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    # The working directory disappears, which no command is prepared for.
    program = "import os, sys; os.rmdir(os.getcwd()); from recipe_runner.cli import main; "
    program += "sys.exit(main(['plan', 'recipe.yaml']))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=gone,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (4, "", False)
    assert "RR901" in done.stderr
    [log] = tmp_path.glob("recipe-run-*.log")
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_a_narrow_locale_still_gets_the_message(recipe_run: Command, folder: Path) -> None:
    (folder / "a.yaml").write_text("recipe: 1\nmodèle: x\n", encoding="utf-8")
    done = recipe_run("check", "a.yaml", environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, "mod\\xe8le" in done.stdout) == (1, True)
