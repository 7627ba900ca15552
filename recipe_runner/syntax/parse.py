"""Text becomes a Document, or diagnostics with exact places; never an exception.

Values are built from the event stream without recursion. Faults that leave the structure
clear (a repeated key, a tag, a merge key) are collected; a fault of the structure itself
ends the reading.
"""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.syntax import codes
from recipe_runner.syntax.build import Builder
from recipe_runner.syntax.document import Document
from recipe_runner.syntax.events import Events
from recipe_runner.syntax.explain import explain, explain_escape
from recipe_runner.syntax.source import Source

# What YAML 1.2 leaves out of its printable characters. Listed rather than negated: the
# complement takes Python several milliseconds to compile.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def parse(text: str, path: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """Read `text` as a recipe; there is a document exactly where there is no diagnostic.

    `path` is shown in diagnostics. A byte order mark at the start is dropped, and offsets
    count from the character after it. Reports RR008 and the RR1xx codes.
    """
    source = Source(text.removeprefix("\ufeff"), path)
    builder, diagnostics = _build(source)
    if not diagnostics:
        diagnostics = _root_faults(source, builder)
    if diagnostics:
        return None, tuple(diagnostics)
    return Document(path, source.text, builder.value, builder.spans), ()


def parse_value(text: str, path: str) -> tuple[object, tuple[Diagnostic, ...]]:
    """Read `text` as one YAML value of any kind, such as the part of `--set` behind the `=`."""
    source = Source(text, path)
    builder, diagnostics = _build(source)
    return (None if diagnostics else builder.value), tuple(diagnostics)


def _build(source: Source) -> tuple[Builder, list[Diagnostic]]:
    builder = Builder(source)
    control = _control_characters(source)
    if control:
        return builder, [control]
    events = Events(source.text)
    try:
        builder.run(events)
    except MarkedYAMLError as error:
        builder.diagnostics.append(explain(error, source, events))
    except (ValueError, OverflowError):
        builder.diagnostics.append(explain_escape(source, events.offset))
    except DiagnosticError as error:
        builder.diagnostics.extend(error.diagnostics)
    return builder, builder.diagnostics


def _control_characters(source: Source) -> Diagnostic | None:
    found = _CONTROL.search(source.text)
    if found is None:
        return None
    others = sum(1 for _ in _CONTROL.finditer(source.text)) - 1
    more = f", and {others} more such characters follow" if others else ""
    name = "NUL" if found[0] == "\0" else f"U+{ord(found[0]):04X}"
    return Diagnostic(
        codes.CONTROL_CHARACTER,
        f"the text holds the control character {name}{more}",
        source.place(found.start(), found.end()),
        'delete it; in double quotes it can be written as an escape, such as `"\\x1b"`'
        if found[0] != "\0"
        else "delete it; a file full of NUL is binary or was cut off while being written",
    )


def _root_faults(source: Source, builder: Builder) -> list[Diagnostic]:
    if builder.empty:
        return [
            Diagnostic(
                codes.EMPTY_FILE,
                "the file holds no recipe, only comments"
                if source.text.strip()
                else "the file is empty",
                source.place(0, 0),
                "`recipe-run init` writes a recipe to start from",
            )
        ]
    if isinstance(builder.value, dict):
        return []
    span = builder.spans[()].value
    kind = "a list" if isinstance(builder.value, list) else "a single value"
    return [
        Diagnostic(
            codes.ROOT_NOT_A_MAPPING,
            f"the file holds {kind} where a recipe has keys",
            source.place(span.start.offset, span.end.offset),
            "start with `recipe: 1` and put every section at the left margin",
        )
    ]
