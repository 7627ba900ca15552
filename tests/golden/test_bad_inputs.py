"""`recipe-run check` over one file for each bad input: the whole screen, as a person sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import bad_inputs
from tests.golden.file import Golden


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the command prints in the folder of all bad inputs."""
    folder = tmp_path_factory.mktemp("bad-inputs")
    bad_inputs.write(folder)
    command = [sys.executable, "-m", "recipe_runner", "check", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return (done.stdout + done.stderr).replace(str(folder), "<folder>")


def test_the_screen_is_the_one_that_was_reviewed(screen: str, golden: Golden) -> None:
    golden("cli/bad-inputs.txt", screen)


def test_every_bad_input_is_told_with_a_place_a_code_and_a_fix(screen: str) -> None:
    told = re.findall(
        r"^(\S+?):\d+:\d+: RR\d{3} (?:warning )?[a-z0-9-]+: .+$", screen, re.MULTILINE
    )
    assert screen.count("\nhelp: ") == len(told)
    named = {Path(path).stem for path in told} | {
        Path(path).stem
        for path in re.findall(r"^(\S+\.yaml):\d+:\d+: the data set", screen, re.MULTILINE)
    }
    expected = {name for name in bad_inputs.RECIPES if not name.startswith("good-")}
    assert expected <= named


@pytest.mark.parametrize("name", [n for n in bad_inputs.RECIPES if n.startswith("good-")])
def test_a_near_miss_stays_clean(screen: str, name: str) -> None:
    assert name not in screen
