"""What a run says arrives on the screen, and from a worker in the launching process."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from recipe_runner.diagnostics import Diagnostic, Place
from recipe_runner.execute.codes.before import UNTESTED_VERSION
from recipe_runner.execute.console import Progress
from recipe_runner.execute.relay import Relay, receive
from recipe_runner.execute.screen import PlainConsole, TerminalConsole, duration

AT = Progress(
    step=3,
    total=8,
    epoch=0.5,
    loss=1.25,
    learning_rate=2e-4,
    tokens_per_second=1234.4,
    memory_bytes=3 * 2**29,
    seconds_left=75.0,
    logged=True,
)
WARNING = Diagnostic(UNTESTED_VERSION, "trl 9 is installed", Place("recipe.yaml"), "go on")


def test_plain_console_writes_a_line_per_logged_step() -> None:
    stream = io.StringIO()
    console = PlainConsole(stream)
    console.progress(Progress(step=2, total=8))
    console.progress(AT)
    console.progress(None)
    assert stream.getvalue() == (
        "step 3/8  loss 1.2500  lr 2.0e-04  1,234 tokens/s  1.5 GiB  1m 15s left\n"
    )


def test_terminal_console_draws_a_bar_and_leaves_lines_above_it() -> None:
    stream = io.StringIO()
    console = TerminalConsole(Console(file=stream, force_terminal=True, width=120))
    console.progress(AT)
    console.line("[not markup] kept")
    console.progress(None)
    text = stream.getvalue()
    assert "3/8" in text
    assert "loss 1.2500" in text
    assert "[not markup] kept" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.4, "59s"), (60, "1m 00s"), (3600, "1h 00m"), (-3, "0s")]
)
def test_duration_is_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_rank_0_says_arrives_in_the_launching_process() -> None:
    pipe, screen = io.StringIO(), io.StringIO()
    relay = Relay(pipe, rank=0)
    relay.hello(4711)
    relay.line("two\nlines")
    relay.diagnostic(WARNING)
    relay.progress(AT)
    relay.progress(None)
    console = PlainConsole(screen)
    hellos = [receive(line, console) for line in pipe.getvalue().splitlines()]
    assert hellos == [(0, 4711), None, None, None, None]
    assert screen.getvalue() == (
        "two\nlines\n"
        "recipe.yaml: RR612 untested-version: trl 9 is installed\n  help: go on\n"
        "step 3/8  loss 1.2500  lr 2.0e-04  1,234 tokens/s  1.5 GiB  1m 15s left\n"
    )


def test_other_ranks_only_say_hello() -> None:
    pipe = io.StringIO()
    relay = Relay(pipe, rank=1)
    relay.hello(1)
    relay.line("text")
    relay.progress(AT)
    assert len(pipe.getvalue().splitlines()) == 1


def test_line_of_a_library_is_no_line_of_a_worker() -> None:
    with pytest.raises(ValueError, match="not a line"):
        receive("Downloading shards", PlainConsole(io.StringIO()))
