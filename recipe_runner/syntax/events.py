"""YAML events of a text, through ruamel.yaml's scanner and parser.

Events come one at a time and carry marks, so nesting and aliases are counted before
anything is built. The classes here replace the parts of ruamel.yaml that read one
character at a time; that halves the time for a recipe. Marks are offsets into the text.

It must not know what a recipe is, and it builds no values.
"""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml.error import FileMark
from ruamel.yaml.parser import Parser
from ruamel.yaml.reader import Reader
from ruamel.yaml.scanner import Scanner, ScannerError
from ruamel.yaml.tokens import ScalarToken

TAB_PROBLEM = "tab in indentation"

_BLOCK_BLANK = re.compile(r"(?: *(?:#[^\r\n\0]*)?(?:\r\n|\r|\n))* *(?:#[^\r\n\0]*)?")
_FLOW_BLANK = re.compile(r"(?:[ \t]*(?:#[^\r\n\0]*)?(?:\r\n|\r|\n))*[ \t]*(?:#[^\r\n\0]*)?")
_TABS = re.compile(r"[ \t]+")

# Scalars that end in the line they start in and hold no escape: nearly all of a recipe.
# Each pattern is followed by what must come next for the match to be the whole scalar.
_BLOCK_WORD = r"(?:[^ \t\r\n\0:]|:(?![ \t\r\n\0]))"
_BLOCK_PLAIN = re.compile(rf"{_BLOCK_WORD}+(?: +(?!#){_BLOCK_WORD}+)*")
_BEHIND_BLOCK_PLAIN = re.compile(r" *(?:#|:[ \t\r\n\0]|((?:(?:\r\n|\r|\n) *)+))")
_FLOW_WORD = r"[^ \t\r\n\0:,\[\]{}?#]+"
_FLOW_PLAIN = re.compile(rf"{_FLOW_WORD}(?: +{_FLOW_WORD})*(?= *(?:[,\]}}]|: ))")
_QUOTED = re.compile(r"\"([^\"\\\r\n\0]*)\"|'([^'\r\n\0]*)'(?!')")

# ruamel.yaml ends a line at these in some of its scanners, as YAML 1.1 did.
_YAML_1_1_BREAKS = "\x85\u2028\u2029"


class _YamlVersion:
    processing_version = (1, 2)


class _Document:
    doc_version: Any = None


class _Loader:
    """What ruamel.yaml's classes look up in the object that holds them together."""

    comment_handling = None

    def __init__(self) -> None:
        self._reader: Any = None
        self._scanner: Any = None
        self._parser: Any = None
        self._resolver = _YamlVersion()
        self.doc_infos = [_Document()]


class _Text(Reader):
    def peek(self, index: int = 0) -> str:
        try:
            return self.buffer[self.pointer + index]
        except IndexError:
            return "\0"

    def prefix(self, length: int = 1) -> str:
        return self.buffer[self.pointer : self.pointer + length]

    def forward(self, length: int = 1) -> None:
        self.move_to(min(self.pointer + length, len(self.buffer) - 1))

    def move_to(self, end: int) -> bool:
        """Go on to offset `end`; True where a line break lies in between."""
        start = self.pointer
        self.pointer = self.index = end
        if end == start + 1:
            ch = self.buffer[start]
            if ch == "\n" or (ch == "\r" and self.buffer[end] != "\n"):
                self.line += 1
                self.column = 0
                return True
            self.column += 1
            return False
        passed = self.buffer[start:end]
        if "\n" not in passed and "\r" not in passed:
            self.column += end - start
            return False
        # A CR directly before an LF beyond `end` belongs to that LF.
        returns = passed.count("\r") - passed.count("\r\n")
        if passed[-1] == "\r" and self.buffer[end] == "\n":
            returns -= 1
        self.line += passed.count("\n") + returns
        last = max(passed.rfind("\n"), passed.rfind("\r"))
        self.column = len(passed) - last - 1
        return True

    def check_printable(self, data: str) -> None:
        """Nothing: `Events` takes only text without control characters."""

    def get_mark(self) -> FileMark:
        return FileMark("", self.index, self.line, self.column)


class _Scanner(Scanner):
    # These are computed properties of the base class; they never change here.
    reader: Any = None
    scanner_processing_version = _YamlVersion.processing_version

    def __init__(self, loader: _Loader) -> None:
        self.reader = loader._reader
        self.last_plain: Any = None
        super().__init__(loader=loader)

    def need_more_tokens(self) -> bool:
        if self.done:
            return False
        if not self.tokens:
            return True
        if not self.possible_simple_keys:
            return False
        self.stale_possible_simple_keys()
        return bool(self.next_possible_simple_key() == self.tokens_taken)

    def check_token(self, *choices: Any) -> bool:
        while self.need_more_tokens():
            self.fetch_more_tokens()
        return bool(self.tokens) and (not choices or isinstance(self.tokens[0], choices))

    def fetch_plain(self) -> None:
        super().fetch_plain()
        self.last_plain = self.tokens[-1]

    def scan_plain(self) -> Any:
        buffer, start = self.reader.buffer, self.reader.pointer
        if self.flow_context:
            match = _FLOW_PLAIN.match(buffer, start)
            return super().scan_plain() if match is None else self._scalar(match, match[0], None)
        match = _BLOCK_PLAIN.match(buffer, start)
        behind = match and _BEHIND_BLOCK_PLAIN.match(buffer, match.end())
        if match is None or behind is None:
            return super().scan_plain()
        # Text behind a line break goes on with this scalar where it stands deeper.
        if behind[1] and (self.indent < 0 or _column(buffer, behind.end()) > self.indent):
            return super().scan_plain()
        return self._scalar(match, match[0], None)

    def scan_flow_scalar(self, style: Any) -> Any:
        match = _QUOTED.match(self.reader.buffer, self.reader.pointer)
        if match is None:
            return super().scan_flow_scalar(style)
        return self._scalar(match, match[0][1:-1], style)

    def _scalar(self, match: re.Match[str], value: str, style: str | None) -> ScalarToken:
        start = self.reader.get_mark()
        self.reader.move_to(match.end())
        if style is None:
            self.allow_simple_key = False
        return ScalarToken(value, style is None, start, self.reader.get_mark(), style)

    def scan_to_next_token(self) -> None:
        """Skip blanks and comments; a tab may separate, but never indent."""
        reader = self.reader
        in_flow = bool(self.flow_context)
        blank = _FLOW_BLANK if in_flow else _BLOCK_BLANK
        while True:
            end = _end(blank, reader.buffer, reader.pointer)
            if end > reader.pointer and reader.move_to(end) and not in_flow:
                self.allow_simple_key = True
            if reader.buffer[end] != "\t":
                return
            self._skip_tabs()

    def _skip_tabs(self) -> None:
        reader = self.reader
        end = _end(_TABS, reader.buffer, reader.pointer)
        before = reader.buffer[reader.pointer - reader.column : reader.pointer]
        if reader.buffer[end] not in "#\r\n\0" and not before.strip(" \t-?"):
            raise ScannerError(None, None, TAB_PROBLEM, reader.get_mark())
        reader.move_to(end)


class _Parser(Parser):
    scanner: Any = None
    resolver: Any = None

    def __init__(self, loader: _Loader) -> None:
        self.scanner = loader._scanner
        self.resolver = loader._resolver
        super().__init__(loader)


class Events:
    """The events of one text, which must be free of control characters."""

    def __init__(self, text: str) -> None:
        self._stand_ins = _stand_ins(text)
        loader = _Loader()
        self._reader = _Text(text.translate(self._stand_ins), loader=loader)
        self._scanner = _Scanner(loader)
        self._parser = _Parser(loader)
        self._originals = {ord(new): chr(old) for old, new in self._stand_ins.items()}

    def next(self) -> Any:
        """The next event. Raises ruamel.yaml's MarkedYAMLError, ValueError or OverflowError.

        The latter two come from escapes and version numbers beyond what Python holds.
        """
        return self._parser.get_event()

    def original(self, value: str) -> str:
        """`value` of a scalar event as it is in the text."""
        return value.translate(self._originals) if self._originals else value

    @property
    def offset(self) -> int:
        """How far the text has been read."""
        return int(self._reader.index)

    @property
    def open_bracket(self) -> int | None:
        """Where the innermost bracket or brace that is still open stands."""
        marks = self._parser.marks
        start = marks[-1].index if marks else -1
        return start if start >= 0 and self._reader.buffer[start] in "[{" else None

    @property
    def last_plain(self) -> tuple[int, int] | None:
        """Where the last unquoted scalar starts and ends."""
        token = self._scanner.last_plain
        return None if token is None else (token.start_mark.index, token.end_mark.index)


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()


def _column(text: str, offset: int) -> int:
    return offset - max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) - 1


def _stand_ins(text: str) -> dict[int, str]:
    """Private characters, absent from `text`, for those that only YAML 1.1 breaks lines at."""
    present = [ch for ch in _YAML_1_1_BREAKS if ch in text]
    if not present:
        return {}
    free = (chr(code) for code in range(0xF0000, 0x10FFFE) if chr(code) not in text)
    return {ord(ch): next(free) for ch in present}
