"""Jinja for the templates of a recipe: a row's text can be made, and nothing else.

A recipe is checked before it is trusted, so a template must neither reach Python nor keep the
machine busy. Each row gives it a number of steps; loops, macros, filters and all characters
that are put together take from them.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from recipe_runner.rows import RowProblem, what_is

if TYPE_CHECKING:
    from jinja2 import nodes

LONGEST = 10_000_000
"""Characters of a text at most: of what a template writes for a row, and on the way there."""

_STEPS = 100_000
"""Steps for one row: a round of a loop, a call, a filter, or a number of characters each."""

_PER_STEP = 1_000
"""Characters, or items of a list, that are put together in one step."""

_PIECE = 20
"""Characters that a piece of a text counts for at least, so that pieces are bounded too."""

_LONGEST_RANGE = 1_000
_LARGEST_BITS = 1_000
_STEP, _JOINED = "step ", "joined "
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


@cache
def environment() -> Any:
    """Jinja with what a row's text needs: no clock, no chance, nothing that grows by a number.

    `begin` gives it all steps, for another row.
    """
    from jinja2 import StrictUndefined, Undefined, pass_context
    from jinja2.exceptions import SecurityError
    from jinja2.filters import make_attrgetter
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class RowEnvironment(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"+", "*", "**", "%"})
        left = _STEPS

        def begin(self) -> None:
            self.left = _STEPS

        def step(self, count: int = 1) -> bool:
            self.left -= count
            if self.left < 0:
                raise SecurityError(f"it takes more than {_STEPS} steps for one row")
            return True

        def made(self, size: int) -> None:
            if size > LONGEST:
                raise SecurityError(f"it puts together more than {LONGEST} characters")
            self.step(1 + size // _PER_STEP)

        def written(self, value: Any) -> Any:
            if isinstance(value, Undefined):
                return value
            written = shown(value)
            self.made(len(written))
            return written

        def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
            owner = getattr(obj, "__self__", None)
            self.step(1 + _size(owner) // _PER_STEP)
            if isinstance(owner, str) and getattr(obj, "__name__", None) == "replace":
                self.made(_replaced(owner, *args))
            return super().call(context, obj, *args, **kwargs)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            plain = all(isinstance(side, int | float) for side in (left, right))
            if operator == "+":
                self.made(_size(left) + _size(right))
            elif operator == "**" or not plain:
                raise SecurityError(f"`{operator}` is for two numbers only")
            elif any(isinstance(n, int) and n.bit_length() > _LARGEST_BITS for n in (left, right)):
                raise SecurityError(f"`{operator}` is for numbers of at most {_LARGEST_BITS} bits")
            return super().call_binop(context, operator, left, right)

        def wrap_str_format(self, value: Any) -> None:
            """Leave `str.format` to `is_safe_attribute`: it pads to any width."""

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            owned = isinstance(obj, str | list | tuple | Mapping | int | float | bytes)
            return (not owned or attr in _METHODS) and super().is_safe_attribute(obj, attr, value)

        def _parse(self, source: str, name: str | None, filename: str | None) -> Any:
            return _counted(super()._parse(source, name, filename))

    def bounded(*limits: int) -> range:
        numbers = range(*limits)
        if len(numbers) > _LONGEST_RANGE:
            raise SecurityError(f"range() is bounded to {_LONGEST_RANGE} numbers")
        return numbers

    def text(value: Any) -> str:
        return str(value) if isinstance(value, Undefined) else shown(value)

    def replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
        whole, before, after = (text(each) for each in (value, old, new))
        times = -1 if count is None else count
        made.made(_replaced(whole, before, after, times))
        return whole.replace(before, after, times)

    def join(value: Any, between: Any = "", attribute: str | int | None = None) -> str:
        items = value if attribute is None else map(make_attrgetter(made, attribute), value)
        mark = text(between)
        return _together(mark, (text(item) for item in items))

    # With the context, so that Jinja does not call them once for all rows.
    @pass_context
    def step(_context: Any, count: int) -> bool:
        return bool(made.step(count))

    @pass_context
    def joined(_context: Any, parts: list[Any]) -> str:
        texts = [text(part) for part in parts]
        made.made(sum(map(len, texts)))
        return "".join(texts)

    # The blocks of a template end as those of chat templates do.
    made = RowEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        undefined=StrictUndefined,
        cache_size=0,
    )
    made.finalize = made.written
    made.globals = {"range": bounded}
    own = {"join": join, "replace": replace, "string": text, "tojson": _json}
    filters = {name: own.get(name, made.filters[name]) for name in _FILTERS}
    made.filters = {name: _metered(made, function) for name, function in filters.items()}
    made.filters |= {_STEP: step, _JOINED: joined}
    return made


def _counted(tree: "nodes.Template") -> "nodes.Template":
    """The template with a step in each round of a loop, each test of one and each macro."""
    from jinja2 import nodes

    def call(name: str, argument: nodes.Expr) -> nodes.Filter:
        # A filter costs least; a name with a space is one that no template can write.
        return nodes.Filter(argument, name, [], [], None, None)

    def walk(node: nodes.Node) -> None:
        for child in node.iter_child_nodes():
            walk(child)
        if isinstance(node, nodes.For | nodes.Macro | nodes.CallBlock):
            texts = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
            step = call(_STEP, nodes.Const(1 + texts // _PER_STEP))
            node.body.insert(0, nodes.ExprStmt(step))
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(call(_STEP, nodes.Const(1)), node.test)
        for field, value in node.iter_fields():
            if isinstance(value, nodes.Concat):
                setattr(node, field, call(_JOINED, nodes.List(value.nodes)))
            elif isinstance(value, list):
                value[:] = [
                    call(_JOINED, nodes.List(item.nodes))
                    if isinstance(item, nodes.Concat)
                    else item
                    for item in value
                ]

    walk(tree)
    return tree


def _metered(made: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes steps by the size of what it is given, and of what it makes."""

    @wraps(function)
    def filtered(*given: Any, **named: Any) -> Any:
        made.step(1 + sum(map(_size, given)) // _PER_STEP)
        found = function(*given, **named)
        made.made(_size(found))
        return found

    return filtered


def _size(value: Any) -> int:
    """Characters of a text, items of a list."""
    return len(value) if isinstance(value, str | list | tuple | dict) else 0


def _replaced(text: str, old: str = "", new: str = "", count: int = -1) -> int:
    """The length of a text with something replaced in it, before it is made."""
    times = text.count(old) if count < 0 else min(text.count(old), count)
    return len(text) + times * max(0, len(new) - len(old))


def _together(between: str, texts: Iterable[str]) -> str:
    """The texts joined; they are counted as they come."""
    from jinja2.exceptions import SecurityError

    found, size = [], 0
    for text in texts:
        found.append(text)
        size += max(_PIECE, len(text) + len(between))
        if size > LONGEST:
            raise SecurityError(f"it puts together more than {LONGEST} characters")
    return between.join(found)


def _json(value: Any) -> str:
    """JSON as people write it: Jinja's own filter escapes it for web pages."""
    import json

    return _together("", json.JSONEncoder(ensure_ascii=False).iterencode(value))


def shown(value: Any, column: str | None = None) -> str:
    """A text or a number as it is written; Python's words for other values belong in no text."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    where = "" if column is None else f", in column `{column}`"
    if value is None:
        raise RowProblem("null-column", f"has null where the template puts a text{where}")
    kind = what_is(value)
    raise RowProblem("not-text", f"has {kind} where the template puts a text or a number{where}")
