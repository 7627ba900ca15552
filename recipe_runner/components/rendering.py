"""Texts with places for columns: named placeholders, or Jinja in a sandbox.

A recipe is read before it is trusted, so a template sees the row and nothing else: no
attribute of Python's own, no file, no clock, no chance. What it writes is bounded.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

from recipe_runner.components.format import require_column
from recipe_runner.rows import Row, RowProblem

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

Syntax = Literal["placeholders", "jinja"]

LONGEST = 10_000_000
"""Characters that one template writes for one row at most."""

_LONGEST_RANGE = 1_000
_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby",
    "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min",
    "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort",
    "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "wordcount",
)  # fmt: skip
_METHODS = frozenset(
    {"capitalize", "count", "endswith", "find", "get", "index", "items", "keys", "lower", "lstrip",
     "partition", "removeprefix", "removesuffix", "replace", "rfind", "rpartition", "rsplit",
     "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper", "values"}
)  # fmt: skip
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
            before if name is None else f"{before}{_shown(require_column(row, name), name)}"
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
def environment() -> "ImmutableSandboxedEnvironment":
    """Jinja with what a row's text needs: no clock, no chance, nothing that grows by a number."""
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class RowEnvironment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            plain = all(isinstance(side, int | float) for side in (left, right))
            if operator == "**" or not plain:
                raise SecurityError(f"`{operator}` is for two numbers only")
            return super().call_binop(context, operator, left, right)

        def wrap_str_format(self, value: Any) -> None:
            """Leave `str.format` to `is_safe_attribute`: it pads to any width."""

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            owned = isinstance(obj, str | list | tuple | Mapping | int | float | bytes)
            return (not owned or attr in _METHODS) and super().is_safe_attribute(obj, attr, value)

    def bounded(*limits: int) -> range:
        numbers = range(*limits)
        if len(numbers) > _LONGEST_RANGE:
            raise SecurityError(f"range() is bounded to {_LONGEST_RANGE} numbers")
        return numbers

    # The blocks of a template end as those of chat templates do.
    made = RowEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        undefined=StrictUndefined,
        finalize=_finalized,
        cache_size=0,
    )
    made.globals = {"range": bounded}
    made.filters = {name: made.filters[name] for name in _FILTERS}
    made.filters["tojson"] = _json
    return made


@cache
def _compiled(text: str) -> Any:
    return environment().from_string(text)


def _json(value: Any) -> str:
    """JSON as people write it: Jinja's own filter escapes it for web pages."""
    import json

    return json.dumps(value, ensure_ascii=False)


def _finalized(value: Any) -> Any:
    from jinja2 import Undefined

    return value if isinstance(value, Undefined) else _shown(value, None)


def _shown(value: Any, column: str | None) -> str:
    """A text or a number as it is written; Python's words for other values belong in no text."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    where = "" if column is None else f", in column `{column}`"
    if value is None:
        raise RowProblem("null-column", f"has null where the template puts a text{where}")
    kind = type(value).__name__
    raise RowProblem("not-text", f"has a {kind} where the template puts a text or a number{where}")
