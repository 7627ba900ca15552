"""Plain values and spans from a stream of YAML events.

The invariant: nothing is expanded or entered before it is counted, so neither nesting
nor aliases can exhaust memory or the stack.
"""

from __future__ import annotations

import math
import re
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from recipe_runner.diagnostics import Code, Diagnostic, DiagnosticError, Related
from recipe_runner.syntax import codes
from recipe_runner.syntax.document import NodeSpans, Path, dotted
from recipe_runner.syntax.events import Events
from recipe_runner.syntax.frames import Anchored, Frame
from recipe_runner.syntax.scalars import Scalar, joined_surrogates, plain_value
from recipe_runner.syntax.source import Source

MOST_LEVELS = 50
"""How deep lists and mappings may nest. A recipe needs about ten levels."""

MOST_ALIASED_NODES = 10_000
"""How many values, keys not counted, all aliases of a file may stand for together."""

MOST_EVENTS = 20_000
"""About as many keys and values are read; that takes seconds. A long recipe has 500."""

MOST_FINDINGS = 100
"""Reading ends at the next whole node once a file has as many faults."""

# Other white space, such as U+2028, is a character like any other in YAML 1.2.
_PROPERTIES = re.compile(r"(?:[&!][^ \t\r\n,\[\]{}]*|#[^\r\n]*|[ \t\r\n]+)*")
_TAG = re.compile(r"![^ \t\r\n,\[\]{}]*")
_DIRECTIVE = re.compile(r"^%(?!YAML +1\.2\b)[^#\r\n]*[^#\s]", re.MULTILINE)
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Builder:
    """Collects one document's value, spans and diagnostics."""

    def __init__(self, source: Source) -> None:
        self.value: Any = None
        self.empty = True
        self.spans: dict[Path, NodeSpans] = {}
        self.diagnostics: list[Diagnostic] = []
        self._source = source
        self._stack: list[Frame] = []
        self._anchors: dict[str, Anchored] = {}
        self._aliased_nodes = 0

    def run(self, events: Events) -> None:
        """Consume all events. Raises DiagnosticError where reading on makes no sense."""
        documents = 0
        for _ in range(MOST_EVENTS):
            event = events.next()
            kind = type(event)
            if kind is ScalarEvent:
                self._scalar(event, events)
            elif kind is MappingStartEvent:
                self._open(event, {})
            elif kind is SequenceStartEvent:
                self._open(event, [])
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._close(event)
            elif kind is AliasEvent:
                self._alias(event)
            elif kind is DocumentStartEvent:
                documents += 1
                self._document_start(event, documents)
            elif kind is StreamEndEvent:
                return
            if len(self.diagnostics) >= MOST_FINDINGS:
                return
        self._stop(
            codes.FILE_TOO_LARGE,
            "the file holds more keys and values than a recipe has",
            events.offset,
            events.offset,
            "put data into files that the recipe names",
        )

    def _report(
        self, code: Code, message: str, start: int, end: int, help_: str, *related: Related
    ) -> Diagnostic:
        place = self._source.place(start, end)
        diagnostic = Diagnostic(code, message, place, help_, related)
        self.diagnostics.append(diagnostic)
        return diagnostic

    def _stop(self, code: Code, message: str, start: int, end: int, help_: str) -> None:
        raise DiagnosticError(Diagnostic(code, message, self._source.place(start, end), help_))

    def _document_start(self, event: Any, count: int) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        if count > 1:
            self._stop(
                codes.SEVERAL_DOCUMENTS,
                "a second document starts here; a recipe file holds one",
                start,
                end,
                "delete the `---`, or put the second recipe into a file of its own",
            )
        for directive in _DIRECTIVE.finditer(self._source.text, 0, start):
            self._report(
                codes.YAML_DIRECTIVE,
                f"`{directive[0]}` is a YAML directive; recipes are YAML 1.2 without directives",
                *directive.span(),
                "delete the line",
            )

    def _scalar(self, event: Any, events: Events) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        text = self._source.text
        if event.anchor is not None or event.ctag is not None:
            start = self._content_start(event, start)
            end = max(start, end)
        if event.style in ("|", ">"):
            end = start + len(text[start:end].rstrip())
        if not self._stack and start == end:
            return
        value: Scalar = events.original(event.value)
        if event.implicit[0] and event.style is None:
            value = self._plain(str(value), start, end)
        elif "\\" in text[start:end] and _SURROGATE.search(str(value)):
            value = self._joined(str(value), start, end)
        if event.anchor is not None:
            self._anchors[event.anchor] = Anchored(start, value)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.key is None and isinstance(frame.container, dict):
            self._key(frame, value, start, end, plain=event.style is None)
        else:
            self._add(value, start, end)

    def _plain(self, text: str, start: int, end: int) -> Scalar:
        value = plain_value(text)
        if not isinstance(value, float) or math.isfinite(value):
            return value
        shown = text if len(text) <= 24 else f"{text[:12]}... ({len(text)} characters)"
        self._report(
            codes.NUMBER_NOT_FINITE,
            f"{self._here()} is {shown}, which is not a finite number",
            start,
            end,
            "leave the key out where no limit is meant; for the text itself, put it in quotes",
        )
        return None

    def _joined(self, text: str, start: int, end: int) -> Scalar:
        joined = joined_surrogates(text)
        if joined is not None:
            return joined
        self._report(
            codes.LONE_SURROGATE,
            f"{self._here()} holds half of a two-part \\u escape, which is no character",
            start,
            end,
            "write the character itself, or its code as `\\U0001F600`",
        )
        return text

    def _key(self, frame: Frame, value: Scalar, start: int, end: int, *, plain: bool) -> None:
        text = self._source.text[start:end]
        frame.key_at = (start, end)
        frame.end = end
        frame.key = value if isinstance(value, str) else text
        if not isinstance(value, str):
            self._report(
                codes.KEY_NOT_TEXT,
                f"the key `{text}` is {_kind(value)}; keys are text"
                if text
                else "a key is missing before the colon",
                start,
                end,
                f'put it in quotes: `"{text}":`' if text else "write the key, or delete the line",
            )
            return
        if plain and value == "<<":
            self._report(
                codes.MERGE_KEY,
                "`<<` merges another mapping into this one, which recipes do not have",
                start,
                end,
                "write the keys out; an alias may stand for a whole value: `eval: *shared`",
            )
            return
        first = frame.first_keys.setdefault(value, (start, end))
        if first != (start, end):
            place = self._source.place(*first)
            line = place.span.start.line
            self._report(
                codes.REPEATED_KEY,
                f"`{dotted((*frame.path, value))}` is set again; it is already set in line {line}",
                start,
                end,
                "keep one of the two",
                Related("first set here", place),
            )

    def _open(self, event: Any, container: Any) -> None:
        start = event.start_mark.index
        if event.anchor is not None or event.ctag is not None:
            start = self._content_start(event, start)
        if len(self._stack) >= MOST_LEVELS:
            self._stop(
                codes.NESTED_TOO_DEEP,
                f"lists and mappings nest deeper than {MOST_LEVELS} levels here",
                start,
                start + 1,
                "a recipe needs about ten levels; look for a bracket that was repeated",
            )
        anchored = None
        if event.anchor is not None:
            anchored = self._anchors[event.anchor] = Anchored(start, container, open=True)
        as_key = self._awaits_key()
        path = self._child_path()
        if as_key:
            self._report_compound_key(start, container)
        self._stack.append(Frame(container, path, start, start, anchored, as_key))

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        # The end of a block, and of `[key: value]`'s inner mapping, has no character of its own.
        written = event.end_mark.index > event.start_mark.index
        end = event.end_mark.index if written else frame.end
        if frame.anchored is not None:
            anchored = frame.anchored
            anchored.nodes, anchored.height, anchored.open = frame.nodes, frame.height + 1, False
        if frame.as_key:
            parent = self._stack[-1]
            parent.key = self._source.text[frame.start : end]
            parent.key_at = (frame.start, end)
            parent.end = end
            return
        self._add(frame.container, frame.start, end, nodes=frame.nodes, height=frame.height + 1)

    def _alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            self._report(
                codes.UNDEFINED_ALIAS,
                f"`*{event.anchor}` stands for a value marked `&{event.anchor}`; nothing above is",
                start,
                end,
                f'mark the value with `&{event.anchor}`, or quote the text: `"*{event.anchor}"`',
            )
        elif anchored.open:
            self._report(
                codes.RECURSIVE_ALIAS,
                f"`*{event.anchor}` stands inside the very value that it repeats",
                start,
                end,
                "write the value out",
                Related(
                    "the value starts here", self._source.place(anchored.start, anchored.start)
                ),
            )
            anchored = None
        elif len(self._stack) + anchored.height > MOST_LEVELS:
            self._stop(
                codes.NESTED_TOO_DEEP,
                f"`*{event.anchor}` nests lists and mappings deeper than {MOST_LEVELS} levels",
                start,
                end,
                "a recipe needs about ten levels; write the value out",
            )
        if anchored is None:
            anchored = Anchored(start)
        self._aliased_nodes += anchored.nodes
        if self._aliased_nodes > MOST_ALIASED_NODES:
            self._stop(
                codes.TOO_MANY_ALIASES,
                f"the aliases up to here stand for more than {MOST_ALIASED_NODES:,} values",
                start,
                end,
                "write fewer aliases that hold other aliases",
            )
        if not self._awaits_key():
            value = self._expand(anchored.value, self._child_path(), start, end)
            self._add(value, start, end, nodes=anchored.nodes, height=anchored.height)
        elif isinstance(anchored.value, dict | list):
            self._report_compound_key(start, anchored.value)
            self._stack[-1].key, self._stack[-1].key_at = f"*{event.anchor}", (start, end)
        else:
            self._key(self._stack[-1], anchored.value, start, end, plain=False)

    def _expand(self, value: Any, path: Path, start: int, end: int) -> Any:
        """A copy of `value`, with spans below `path` that all point at the alias."""
        items: list[tuple[str | int, Any]]
        if isinstance(value, dict):
            items = list(value.items())
        elif isinstance(value, list):
            items = list(enumerate(value))
        else:
            return value
        span = self._source.span(start, end)
        copies = {}
        for part, child in items:
            child_path = (*path, part)
            self.spans[child_path] = NodeSpans(span if isinstance(value, dict) else None, span)
            copies[part] = self._expand(child, child_path, start, end)
        return copies if isinstance(value, dict) else list(copies.values())

    def _add(self, value: Any, start: int, end: int, *, nodes: int = 1, height: int = 0) -> None:
        """Put a finished value where the innermost open list or mapping expects it."""
        span = self._source.span(start, end)
        if not self._stack:
            self.value, self.empty = value, False
            self.spans[()] = NodeSpans(None, span)
            return
        frame = self._stack[-1]
        path = self._child_path()
        if isinstance(frame.container, list):
            self.spans[path] = NodeSpans(None, span)
            frame.container.append(value)
        else:
            self.spans[path] = NodeSpans(self._source.span(*frame.key_at), span)
            frame.container[frame.key] = value
            frame.key = None
        frame.end = max(frame.end, end)
        frame.nodes += nodes
        frame.height = max(frame.height, height)

    def _awaits_key(self) -> bool:
        if not self._stack:
            return False
        frame = self._stack[-1]
        return frame.key is None and isinstance(frame.container, dict)

    def _child_path(self) -> Path:
        if not self._stack:
            return ()
        frame = self._stack[-1]
        if isinstance(frame.container, list):
            return (*frame.path, len(frame.container))
        return (*frame.path, frame.key if frame.key is not None else "?")

    def _here(self) -> str:
        path = self._child_path()
        if self._awaits_key():
            return "a key"
        return f"`{dotted(path)}`" if path else "the value"

    def _report_compound_key(self, start: int, container: Any) -> None:
        kind = "list" if isinstance(container, list) else "mapping"
        self._report(
            codes.COMPOUND_KEY,
            f"a {kind} stands where a key is expected; keys are text",
            start,
            start + 1,
            'quote the text where braces or brackets belong to it, as in `"{name}"`',
        )

    def _content_start(self, event: Any, start: int) -> int:
        """The offset behind a node's anchor and tag; reports the tag."""
        text = self._source.text
        if event.ctag is not None:
            tag = _TAG.search(text, start)
            if tag is not None:
                self._report(
                    codes.EXPLICIT_TAG,
                    f"the tag `{tag[0]}` asks for a type of its own, which recipes do not have",
                    tag.start(),
                    tag.end(),
                    f'delete the tag; to keep it as text, put the value in quotes: "{tag[0]} ..."',
                )
        behind = _PROPERTIES.match(text, start)
        if behind is None or (type(event) is ScalarEvent and behind.end() > event.end_mark.index):
            return int(event.end_mark.index)
        return behind.end()


def _kind(value: Scalar) -> str:
    if value is None:
        return "null"
    return "a truth value" if isinstance(value, bool) else "a number"
