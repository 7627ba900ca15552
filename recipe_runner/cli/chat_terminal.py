"""A conversation in a terminal: lines in, text out as it comes, and commands with a slash."""

from __future__ import annotations

import contextlib
import json
import signal
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

from recipe_runner.cli.chat_page import COMMANDS, header
from recipe_runner.cli.layout import counted, paint
from recipe_runner.execute.answering.conversation import Conversation, Reply, TooLong
from recipe_runner.execute.answering.prompt import Message, PromptRefused, is_halved
from recipe_runner.execute.answering.quiet import Quiet

_PROMPT = "> "
_STEERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what stands after them."""


class Terminal:
    """Shows a conversation on `stream`, which it holds on to: libraries print elsewhere meanwhile."""

    def __init__(
        self, talk: Conversation, quiet: Quiet, stream: IO[str], *, color: bool, width: int
    ) -> None:
        self._talk, self._quiet, self._stream = talk, quiet, stream
        self._color, self._width = color, width
        self._left_out = 0
        self._open = False

    def talk(self) -> int:
        """Talk until the end of input, `/exit` or Ctrl-C."""
        self._faint("Loading ...")
        with self._quiet.working():
            loaded = self._talk.sides.made()
        self._write(header(self._talk, loaded, width=self._width, color=self._color))
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives `input` its editing and its history
        try:
            while self._handle(_typed()):
                pass
        except (EOFError, KeyboardInterrupt):
            self._write("\n")
        return 0

    def answer_lines(self, lines: IO[bytes]) -> int:
        """Answer each line, and write nothing but the answers: text for other programs.

        Reports RR630 for a line that is no UTF-8.
        """
        for number, line in enumerate(lines, start=1):
            question = _decoded(number, line)
            if question.strip():
                self._stream.write(self._plainly(number, question).text + "\n")
                self._stream.flush()
        return 0

    def _plainly(self, number: int, question: str) -> Reply:
        from recipe_runner.execute.answering.rows import raise_all, unreadable

        with self._quiet.working():
            try:
                return self._talk.ask(question, lambda _: None)
            except (TooLong, PromptRefused) as error:
                raise_all(
                    [unreadable("<stdin>", number, question, str(error), "ask something else")]
                )
                raise

    def _handle(self, line: str) -> bool:
        """Do what a line says; False where it ends the conversation."""
        if not line.strip():
            return True
        if is_halved(line):
            self._faint("That is no UTF-8; the terminal has another encoding.")
            return True
        if not line.startswith("/") or line.startswith("//"):
            self._ask(line.removeprefix("/") if line.startswith("//") else line)
            return True
        name, _, argument = line[1:].partition(" ")
        if name in ("exit", "quit"):
            return False
        do = self._commands().get(name)
        if do is None:
            self._faint(f"There is no /{visible(name)}; /help lists what there is.")
        else:
            do(argument.strip())
        return True

    def _commands(self) -> dict[str, Callable[[str], None]]:
        return {
            "help": self._help,
            "reset": self._reset,
            "adapter": self._adapter,
            "compare": self._compare,
            "system": self._system,
            "save": self._save,
        }

    def _help(self, _: str) -> None:
        self._write("".join(f"  {name:<18}{what}\n" for name, what in COMMANDS.items()))

    def _reset(self, _: str) -> None:
        self._talk.turns.clear()
        self._left_out = 0
        self._faint("A new conversation.")

    def _adapter(self, argument: str) -> None:
        if argument not in ("", "on", "off"):
            self._faint("It is /adapter on, or /adapter off.")
            return
        if argument:
            self._talk.adapted = argument == "on"
        self._faint(f"Answers come from {self._side()}.")

    def _side(self) -> str:
        run = self._talk.sides.finished
        if self._talk.adapted:
            return "the base with the adapter" if run.is_adapter else "the trained model"
        return "the base alone" if run.is_adapter else "the model as it was before the run"

    def _compare(self, argument: str) -> None:
        """Both answers to a question, or to the last one again."""
        talk = self._talk
        before = talk.turns if argument else talk.turns[:-2]
        question = argument or (talk.turns[-2]["content"] if talk.turns else "")
        if not question:
            self._faint("Ask something first, or give a question: /compare TEXT")
            return
        turns: list[Message] = [*before, {"role": "user", "content": question}]
        chosen, replies = talk.adapted, {}
        for talk.adapted in (True, False):
            self._faint(f"{self._side()}:")
            replies[talk.adapted] = self._shown(lambda show: talk.answer(turns, show))
        talk.adapted = chosen
        kept = replies[chosen]
        if argument and kept is not None and not talk.raw:
            talk.turns = [*turns, {"role": "assistant", "content": kept.text}]

    def _system(self, argument: str) -> None:
        if argument:
            self._talk.system = None if argument == "-" else argument
        text = self._talk.system
        self._faint("There is no system turn." if text is None else f"System turn: {visible(text)}")

    def _save(self, argument: str) -> None:
        if not argument:
            self._faint("It is /save FILE.")
            return
        path, talk = Path(argument).expanduser(), self._talk
        system = [] if talk.system is None else [{"role": "system", "content": talk.system}]
        row = json.dumps({"messages": [*system, *talk.turns]}, ensure_ascii=False)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(row + "\n")
        except FileExistsError:
            self._faint(f"{path} is there already; it is left as it is.")
        except OSError as error:
            self._faint(f"{path} cannot be written: {error.strerror}.")
        else:
            self._faint(
                f"Wrote {counted(len(talk.turns), 'turn')} to {path}, as a row of messages."
            )

    def _ask(self, question: str) -> None:
        self._shown(lambda show: self._talk.ask(question, show))

    def _shown(self, answer: Callable[[Callable[[str], None]], Reply]) -> Reply | None:
        """Show an answer as it comes, and what is to say of it; None where there is none."""
        refused: Exception | None = None
        reply: Reply | None = None
        self._open = False
        with self._quiet.working(), self._stoppable():
            try:
                reply = answer(self._piece)
            except (TooLong, PromptRefused) as error:
                refused = error
        if self._open:
            self._write("\n")
        if refused is not None:
            self._faint(f"{'Too long' if isinstance(refused, TooLong) else 'Refused'}: {refused}.")
        if reply is not None:
            self._faint(self._told(reply))
        self._write("\n")
        return reply

    def _told(self, reply: Reply) -> str:
        rate = f", {reply.tokens / reply.seconds:,.0f} tokens/s" if reply.seconds else ""
        parts = [f"{counted(reply.tokens, 'token')}{rate}"]
        if not reply.text:
            parts.insert(0, "an empty answer")
        if reply.stopped:
            parts.append("stopped")
        if reply.cut:
            parts.append("cut: --max-new-tokens")
        if reply.left_out > self._left_out:
            parts.append(f"no room for the first {counted(reply.left_out, 'turn')}")
        self._left_out = reply.left_out
        return "; ".join(parts)

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ctrl-C ends the answer; a second one ends the conversation."""
        stop = self._talk.stop
        stop.asked = False

        def handle(number: int, frame: FrameType | None) -> None:
            del number, frame
            if stop.asked:
                raise KeyboardInterrupt
            stop.asked = True

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _piece(self, text: str) -> None:
        self._open = True
        self._write(visible(text))

    def _faint(self, text: str) -> None:
        self._write(paint(text, "dim", self._color) + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _typed() -> str:
    """A line of the terminal; bytes that are no UTF-8 are halves of characters in it."""
    try:
        return input(_PROMPT)
    except UnicodeDecodeError as error:
        return bytes(error.object).decode("utf-8", "surrogateescape")


def _decoded(number: int, line: bytes) -> str:
    from recipe_runner.execute.answering.rows import raise_all, unreadable

    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        shown = line.decode("utf-8", "replace").rstrip()
        why = f"the line is not UTF-8: {error.reason}"
        raise_all([unreadable("<stdin>", number, shown, why, "write it in UTF-8")])
        raise


def visible(text: str) -> str:
    """`text` without what would steer a terminal; line breaks, tabs and joined emoji stay."""
    return "".join(
        "\ufffd"
        if ch in _STEERING or (unicodedata.category(ch) == "Cc" and ch not in "\n\t")
        else ch
        for ch in text
    )
