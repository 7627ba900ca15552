"""Python files of the user's own that a recipe asks to run: looked at, never imported."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.survey.codes import CODE_NOT_FOUND
from recipe_runner.survey.paths import UnusablePathError, located

LARGEST = 1 << 20
"""Bytes that a file may have: code is shorter, and what is longer is not even read."""

_HELP = "paths are relative to the recipe's folder"
_SHOWN = 8
_OWN_NAMES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
"""What is inside of these has names of its own, which the file as a whole does not have."""


@dataclass(frozen=True)
class CodeFacts:
    """A Python file: its absolute path, and the SHA-256 of what it holds."""

    file: str
    sha256: str


def survey_code(path: str, function: str, base: Path, place: Place) -> CodeFacts:
    """Find a file and the function in it, without running a line. Reports RR416 at `place`.

    The file may come from anyone, so at most `LARGEST` bytes of it are read, and only where it
    is a regular file: a device has no end, and a pipe may never have a beginning.
    """
    try:
        file = located(path, base).resolve()
        if file.exists() and not file.is_file():
            raise _missing(f"`{path}` is no regular file", place, "name a Python file")
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except UnusablePathError as error:
        raise _missing(f"`{path}` cannot be looked at: {error}", place) from error
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise _missing(f"`{path}` cannot be read: {reason}", place) from error
    if len(content) > LARGEST:
        message = f"`{path}` has more than {LARGEST >> 20} MiB, and is not read"
        raise _missing(message, place, "move what is no code into another file")
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        deep = isinstance(error, RecursionError | MemoryError)
        why = ": it is nested too deep" if deep else line
        raise _missing(
            f"`{path}` is no Python that can be read{why}", place, "repair the file"
        ) from error
    names = list(dict.fromkeys(_names(tree)))
    # What `from x import *` brings is known to `x` alone.
    if function not in names and "*" not in names:
        shown = [f"`{name}`" for name in names[:_SHOWN]]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        have = f"{', '.join(shown) or 'none'}{more}"
        message = f"`{path}` defines no function `{function}`; it defines {have}"
        raise _missing(message, place, "name one of the file's own functions")
    return CodeFacts(str(file), hashlib.sha256(content).hexdigest())


def _names(tree: ast.Module) -> Iterator[str]:
    """What a module defines, assigns or imports, in its order, under an `if` or `try` as well.

    "*" stands for names that another module decides.
    """
    waiting: list[ast.AST] = [*reversed(tree.body)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (each.asname or each.name.split(".")[0] for each in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        # `f: Callable` alone says what `f` would be, and nothing is there.
        declared = isinstance(node, ast.AnnAssign) and node.value is None
        if not declared and not isinstance(node, _OWN_NAMES):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


def _missing(message: str, place: Place, help_text: str = _HELP) -> DiagnosticError:
    return DiagnosticError(Diagnostic(CODE_NOT_FOUND, message, place, help_text))
