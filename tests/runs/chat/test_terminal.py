"""`recipe-run chat` in front of a person: a real process on a real terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from tests.runs.chat.conftest import BASE_ANSWER, Made

pytestmark = [pytest.mark.runs, pytest.mark.slow]

SECONDS = 90


class Screen:
    """`recipe-run chat` on a terminal of 80 columns, typed at and read like by a person."""

    def __init__(self, made: Made, *options: str) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(made.folder)
            shown = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24", "OMP_NUM_THREADS": "1"}
            words = [sys.executable, "-m", "recipe_runner", "chat", "runs/tiny", *options]
            os.execve(sys.executable, words, {**os.environ, **shown})
        self.text = ""

    def until(self, pattern: str) -> str:
        """What came since the last call, up to and with `pattern`."""
        ends = time.monotonic() + SECONDS
        while (found := re.search(pattern, self.text)) is None:
            assert time.monotonic() < ends, f"no {pattern!r} in {self.text!r}"
            if select.select([self._terminal], [], [], 1)[0]:
                self.text += self._read()
        seen, self.text = self.text[: found.end()], self.text[found.end() :]
        return seen

    def type(self, line: str) -> str:
        """Type a line, and what is shown until the next prompt."""
        os.write(self._terminal, f"{line}\n".encode())
        self.until(re.escape(line))
        return self.until(r"\n> ").removesuffix("\n> ").strip()

    def send(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def ended(self, insists: bool = False) -> int:
        """The exit code, once the process has ended by itself.

        `insists` presses Ctrl-C again where nothing happens: Python loses one that comes after
        the prompt has been written and before the terminal is waited for.
        """
        ends = time.monotonic() + SECONDS
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal as an error
            while True:
                assert time.monotonic() < ends, f"it goes on: {self.text!r}"
                if select.select([self._terminal], [], [], 2)[0]:
                    chunk = self._read()
                    if not chunk:
                        break
                    self.text += chunk
                elif insists:
                    os.kill(self.pid, signal.SIGINT)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> str:
        # A character may be cut by the end of what there is to read.
        data = os.read(self._terminal, 4096)
        while True:
            try:
                text = data.decode()
            except UnicodeDecodeError:
                data += os.read(self._terminal, 1)
            else:
                return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", text).replace("\r\n", "\n")


@pytest.fixture(scope="module")
def screen(made: Made) -> Iterator[Screen]:
    screen = Screen(made, "--max-new-tokens", "60")
    yield screen
    screen.send(b"\x04")
    assert screen.ended() == 0


def test_a_person_talks_compares_and_saves(screen: Screen, made: Made) -> None:
    header = screen.until(r"Ctrl-D ends\.\s+> ")
    assert "runs/tiny/model (Lora), on" in header
    assert "greedy, up to 60 an answer; 512 together with the prompt" in header
    with_adapter = screen.type("Say 2")
    assert re.search(r"\n\d+ tokens?, [\d,]+ tokens/s", with_adapter)
    assert BASE_ANSWER not in with_adapter

    assert screen.type("/reset") == "A new conversation."
    assert screen.type("/adapter off") == "Answers come from the base alone."
    assert screen.type("Say 2").startswith(BASE_ANSWER + "\n")
    assert screen.type("/adapter on") == "Answers come from the base with the adapter."
    both = screen.type("/compare")
    # An answer may begin with spaces, which `type` takes off.
    first = re.escape(with_adapter.split("\n")[0])
    assert re.search(r"the base with the adapter:\s+" + first, both)
    assert "the base alone:\n" + BASE_ANSWER in both

    assert screen.type("/save said.jsonl") == "Wrote 2 turns to said.jsonl, as a row of messages."
    row = json.loads((made.folder / "said.jsonl").read_text(encoding="utf-8"))
    assert row["messages"] == [
        {"role": "user", "content": "Say 2"},
        {"role": "assistant", "content": BASE_ANSWER},
    ]
    assert "is there already" in screen.type("/save said.jsonl")
    assert screen.type("/frobnicate") == "There is no /frobnicate; /help lists what there is."
    assert "/compare [TEXT]" in screen.type("/help")
    assert screen.type("1 " * 600).startswith("Too long: the prompt has ")


def test_ctrl_c_stops_an_answer_and_then_ends(made: Made) -> None:
    # At this temperature any token may come, and the one that ends an answer hardly ever does.
    screen = Screen(made, "--temperature", "50", "--max-new-tokens", "256")
    screen.until(r"Ctrl-D ends\.\s+> ")
    screen.send(b"Say 1\n")
    screen.until(r"Say 1\s+\S+")
    os.kill(screen.pid, signal.SIGINT)
    stopped = screen.until(r"tokens/s[^\n]*\s+> ")
    assert "; stopped" in stopped
    assert int(re.findall(r"(\d+) tokens?,", stopped)[-1]) < 256
    os.kill(screen.pid, signal.SIGINT)
    assert screen.ended(insists=True) == 0
    assert "Traceback" not in screen.text
