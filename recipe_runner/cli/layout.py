"""Lines with labels, and values in words: what the page of a plan and of a run share."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from recipe_runner.cli.screen import visible

Line = tuple[str, str]
"""A label and what it says."""

_LABEL = 14
_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m"}


def labelled(lines: Iterable[Line], width: int, color: bool = False) -> str:
    """Lines with their labels in one column, wrapped at `width`."""
    return "".join(_line(label, text, width, color) for label, text in lines)


def _line(label: str, text: str, width: int, color: bool) -> str:
    indent = " " * (_LABEL + 2)
    wrapped = textwrap.wrap(
        visible(text), max(40, width - len(indent)), break_long_words=False, break_on_hyphens=False
    ) or [""]
    # A label that fills its column still ends before the text.
    head = paint(f"  {label + ' ':<{_LABEL}}", "dim", color)
    return "".join(
        f"{(head if i == 0 else indent)}{part}".rstrip() + "\n" for i, part in enumerate(wrapped)
    )


def paint(text: str, style: Literal["bold", "dim"], color: bool) -> str:
    """`text` in a style, where there is color."""
    return f"{_STYLES[style]}{text}\x1b[0m" if color else text


def options(values: Mapping[str, Any]) -> str:
    """Names and values on one line."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())


def value_text(value: Any) -> str:
    """A value in words; a component with its options in brackets."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping) and "type" in value:
        rest = {name: each for name, each in value.items() if name != "type"}
        return f"{value['type']}" + (f" ({options(rest)})" if rest else "")
    return json.dumps(value, ensure_ascii=False)


def number(value: float) -> str:
    """Such as 2e-4, 0.03 or 32."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def counted(count: int, noun: str, ending: str = "s") -> str:
    """Such as 1 step, 2 steps."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}{ending}"


def short_path(path: str) -> str:
    """A path below the working directory without that directory."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
