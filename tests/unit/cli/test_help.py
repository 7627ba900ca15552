"""Every help text fits a screen of 80 x 24; the golden files are what a user reads."""

from __future__ import annotations

import pytest

from recipe_runner import __version__
from recipe_runner.cli.app import COMMANDS
from tests.golden.file import Golden
from tests.unit.cli.conftest import Command


@pytest.mark.parametrize("command", ["", *COMMANDS], ids=["root", *COMMANDS])
def test_help_fits_a_screen(recipe_run: Command, golden: Golden, command: str) -> None:
    done = recipe_run(*filter(None, [command]), "--help")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    golden(f"cli/{command or 'recipe-run'}.txt", done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_root_and_the_command_agree(recipe_run: Command, command: str) -> None:
    assert recipe_run(command, "-h").stdout.startswith(f"Usage: recipe-run {command} ")


def test_the_version(recipe_run: Command) -> None:
    assert recipe_run("--version").stdout == f"recipe-run {__version__}\n"


def test_the_program_alone_shows_its_help(recipe_run: Command) -> None:
    done = recipe_run()
    assert "Commands:" in done.stdout + done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(recipe_run: Command, shell: str) -> None:
    assert f"_RECIPE_RUN_COMPLETE={shell}_complete" in recipe_run("completion", shell).stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("recipe-run ch", "plain,check", id="command"),
        pytest.param("recipe-run check --fo", "plain,--format", id="option"),
        pytest.param("recipe-run check re", "file,re", id="path"),
        pytest.param(
            "recipe-run plan --set training.learning_r", "plain,training.learning_rate=", id="key"
        ),
        pytest.param("recipe-run explain RR20", "plain,RR201", id="code"),
    ],
)
def test_a_shell_completes(recipe_run: Command, line: str, expected: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = recipe_run(environment={"_RECIPE_RUN_COMPLETE": "bash_complete", **words})
    assert expected in done.stdout.splitlines()
