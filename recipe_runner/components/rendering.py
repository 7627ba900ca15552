"""Texts with places for columns: named placeholders, or Jinja in a sandbox.

A recipe is read before it is trusted, so a template sees the row and nothing else: no
attribute of Python's own, no file, no clock, no chance. What it writes, and how long it
takes, is bounded.
"""

import string
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol

from recipe_runner.components.format import require_column
from recipe_runner.components.sandbox import LONGEST, environment, shown
from recipe_runner.rows import Row, RowProblem

Syntax = Literal["placeholders", "jinja"]

# What an expression may raise on a row that it does not fit.
_ERRORS = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    AssertionError,
)


class TemplateError(ValueError):
    """A template that cannot be read; the message says why."""


class RowTemplate(Protocol):
    """A text with places for the columns of a row."""

    @property
    def is_constant(self) -> bool:
        """True for a text that names no column, so that it is the same for every row."""
        ...

    def render(self, row: Row) -> str:
        """The text for a row, or `RowProblem`: "missing-column", "null-column", "not-text"."""
        ...


def row_template(text: str, syntax: Syntax) -> RowTemplate:
    """Read a template; raises `TemplateError`."""
    return Placeholders.of(text) if syntax == "placeholders" else Jinja.of(text)


@dataclass(frozen=True)
class Placeholders:
    """`{column}` stands for a column, `{{` and `}}` for braces; pieces of text and names of columns."""

    pieces: tuple[tuple[str, str | None], ...]

    @classmethod
    def of(cls, text: str) -> "Placeholders":
        pieces: list[tuple[str, str | None]] = []
        try:
            found = list(string.Formatter().parse(text))
        except ValueError as error:
            raise TemplateError(
                f"is no template: {error}; write {{{{ and }}}} for braces of the text"
            ) from error
        for before, name, spec, conversion in found:
            if name is not None and (not name or spec or conversion):
                raise TemplateError(
                    "names a column by {column} alone, without a format or a conversion; "
                    "write {{ and }} for braces of the text"
                )
            pieces.append((before, name))
        return cls(tuple(pieces))

    @property
    def is_constant(self) -> bool:
        return all(name is None for _, name in self.pieces)

    def render(self, row: Row) -> str:
        return "".join(
            before if name is None else f"{before}{shown(require_column(row, name), name)}"
            for before, name in self.pieces
        )


@dataclass(frozen=True)
class Jinja:
    """A Jinja template, without a loader, with columns as its variables and `row` for all of them."""

    text: str
    is_constant: bool = False

    @classmethod
    def of(cls, text: str) -> "Jinja":
        from jinja2 import TemplateSyntaxError, meta

        environment().begin()
        try:
            tree = environment().parse(text)
            environment().from_string(text)
        except TemplateSyntaxError as error:
            raise TemplateError(f"is no template: line {error.lineno}: {error.message}") from error
        except RecursionError as error:
            raise TemplateError("is nested too deeply") from error
        return cls(text, not meta.find_undeclared_variables(tree) - {"range"})

    def render(self, row: Row) -> str:
        from jinja2 import TemplateError as RefusedError
        from jinja2 import UndefinedError

        written: list[str] = []
        size = 0
        environment().begin()
        try:
            for piece in _compiled(self.text).generate({"row": row, **row}):
                written.append(piece)
                size += len(piece)
                if size > LONGEST:
                    raise RowProblem("template-failed", f"makes a text above {LONGEST} characters")
        except UndefinedError as error:
            have = ", ".join(f"`{name}`" for name in row) or "no columns"
            words = f"lacks what the template asks for: {error.message}; it has {have}"
            raise RowProblem("missing-column", words) from error
        except (RefusedError, *_ERRORS) as error:
            words = str(error) or type(error).__name__
            raise RowProblem(
                "template-failed", f"does not go with the template: {words}"
            ) from error
        return "".join(written)


@cache
def _compiled(text: str) -> Any:
    return environment().from_string(text)
