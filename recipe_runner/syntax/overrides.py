"""`--set path=value`: one value of a recipe replaced from the command line.

The file's own text stays as it is; the document remembers which paths were set, so a
diagnostic about such a value points at the argument, never at text it has replaced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from recipe_runner.diagnostics import Code, Diagnostic, DiagnosticError, Place
from recipe_runner.syntax import codes
from recipe_runner.syntax.document import Document, Path, dotted
from recipe_runner.syntax.parse import parse_value

_PART = r'(?:"[^"]*"|[^."=\s][^."=]*)'
_ARGUMENT = re.compile(rf"({_PART}(?:\.{_PART})*)=(.*)", re.DOTALL)
_EACH_PART = re.compile(r'"([^"]*)"|([^."]+)')


def with_overrides(
    document: Document, arguments: Sequence[str]
) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The document with each `path=value` applied in order; None where one has a fault.

    A path is keys and list indices joined by dots, `data.train.0.path`; a key that holds
    a dot stands in double quotes. The value is YAML, so `--set adapter=` sets null.
    Mappings that are missing on the way are made, lists are not.
    Reports RR010 to RR012 and the RR1xx codes.
    """
    value = document.value
    spans = dict(document.spans)
    overrides = dict(document.overrides)
    diagnostics: list[Diagnostic] = []
    for argument in arguments:
        try:
            keys, set_value = _split(argument)
            value, path, made = _replaced(value, keys, set_value, argument)
        except DiagnosticError as error:
            diagnostics.extend(error.diagnostics)
            continue
        spans = {at: node for at, node in spans.items() if at[: len(path)] != path}
        overrides = {at: text for at, text in overrides.items() if at[: len(path)] != path}
        overrides[made] = argument
        overrides[path] = argument
    if diagnostics:
        return None, tuple(diagnostics)
    return replace(document, value=value, spans=spans, overrides=overrides), ()


def _split(argument: str) -> tuple[list[str], Any]:
    match = _ARGUMENT.fullmatch(argument)
    if match is None:
        message = (
            f"`{argument}` has no `=`"
            if "=" not in argument
            else f"`{argument}` does not start with keys joined by dots"
        )
        raise _error(
            codes.SET_SYNTAX,
            message,
            argument,
            "write `--set path=value`, such as `--set training.learning_rate=2e-4`",
        )
    keys = [quoted or plain for quoted, plain in _EACH_PART.findall(match[1])]
    value, diagnostics = parse_value(match[2], f"--set {argument}")
    if diagnostics:
        raise DiagnosticError(*diagnostics)
    return keys, value


def _replaced(node: Any, keys: list[str], value: Any, argument: str) -> tuple[Any, Path, Path]:
    """A copy of the root `node` with `value` at `keys`, its path, and the highest path made for it."""
    path: list[str | int] = []
    made: Path | None = None
    root = [node]
    holder: Any = root
    slot: Any = 0
    for key in keys:
        inner = holder[slot]
        if inner is None:
            made = made or tuple(path)
            inner = {}
        if isinstance(inner, dict):
            holder[slot] = dict(inner)
            step: str | int = key
            holder[slot].setdefault(step, None)
        elif isinstance(inner, list):
            holder[slot] = list(inner)
            step = _index(inner, key, tuple(path), argument)
        else:
            raise _below_value(inner, key, tuple(path), argument)
        holder, slot = holder[slot], step
        path.append(step)
    holder[slot] = value
    return root[0], tuple(path), made or tuple(path)


def _index(items: list[Any], key: str, path: Path, argument: str) -> int:
    # Digits of other scripts count as digits in Python, and long numbers do not convert.
    if key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(items):
        return int(key)
    held = f"items 0 to {len(items) - 1}" if len(items) > 1 else f"{len(items)} item"
    raise _error(
        codes.SET_NO_SUCH_ITEM,
        f"`{dotted(path)}` is a list with {held or 'no item'}, and `{key}` is none of them",
        argument,
        f"name an item by its number from 0, or set the whole list: `{dotted(path)}=[...]`",
    )


def _below_value(inner: Any, key: str, path: Path, argument: str) -> DiagnosticError:
    shown = str(inner).lower() if isinstance(inner, bool) else str(inner).split("\n")[0]
    return _error(
        codes.SET_BELOW_VALUE,
        f"`{dotted(path)}` is the single value `{shown}`, so it holds no key `{key}`",
        argument,
        f"write the long form in the recipe, or set it whole: `{dotted(path)}={{...}}`",
    )


def _error(code: Code, message: str, argument: str, help_: str) -> DiagnosticError:
    return DiagnosticError(Diagnostic(code, message, Place(f"--set {argument}"), help_))
