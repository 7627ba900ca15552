r"""The right number, however it is written."""

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.reward import Answer, Comparison, RewardError
from recipe_runner.rows import what_is

# A minus belongs to the number where nothing that it could be taken from is before it.
_SIGN = r"(?:(?<![\w.)\]}])[-−–+])?"
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d+)?|\.\d+)"
_POWER = (
    r"(?:[eE](?P<e>[-+]?\d+)(?!\w)|\s*(?:[x×*·]|\\times|\\cdot)\s*10\^\{?(?P<ten>[-−+]?\d+)\}?)?"
)
_NUMBER = re.compile(
    rf"(?P<sign>{_SIGN})(?:"
    rf"\\[dt]?frac\{{\s*(?P<over>-?{_DECIMAL})\s*\}}\{{\s*(?P<under>-?{_DECIMAL})\s*\}}"
    r"|\\[dt]?frac(?P<digit>\d)(?P<below>\d)"
    rf"|(?<![A-Za-z_\\.\d/])(?:(?P<whole>\d+) )?(?P<part>{_DECIMAL}) ?/ ?(?P<of>{_DECIMAL})(?![/\d])"
    rf"|(?<![A-Za-z_\\.\d])(?P<plain>{_DECIMAL}){_POWER})"
)
_SPACING = re.compile(r"(?<=\d)(?:\{,\}|\\,)(?=\d{3})")
_BRACE = re.compile(r"(?P<box>\\(?:boxed|fbox)\s*\{)|[{}]")


class NumberMatch(Comparison):
    r"""1 where the last number of the answer is the number in a column of the row, else 0.

    Use it for sums and word problems. `1,234`, `1234.0`, `1.234e3`, `1.234 \times 10^3` and
    `$1,234` are the same number; so are `1/2`, `0.5`, `1 / 2` and `\frac{1}{2}`, and `1 1/2` is
    1.5. Where the answer has a `\boxed{...}`, only the last one counts. Units, punctuation and
    a percent sign behind the number are passed over, so `50%` is 50. An answer without a number
    is worth 0. The column may hold a number, or a text whose last number counts, as the answers
    of GSM8K do.
    """

    type: Literal["number_match"]
    tolerance: Annotated[float, Field(ge=0)] = 1e-6
    """How far off the answer may be, as a fraction of the right number, or of 1 where that is larger."""

    snippet: ClassVar[str] = "rewards: {type: number_match, column: answer}"

    def judge(self, answer: Answer) -> float:
        value = answer.column(self.column)
        given = list(value) if isinstance(value, list | tuple) else [value]
        expected = [_expected(each, self.column) for each in given]
        if not expected:
            raise RewardError(f"the row has an empty list in column `{self.column}`")
        said = self.said(answer)
        number = None if said is None else last_number(said)
        if number is None:
            return 0.0
        near = (abs(number - right) <= self.tolerance * max(1.0, abs(right)) for right in expected)
        return float(any(near))


def last_number(text: str) -> float | None:
    r"""The last number of a text, or of its last `\boxed{...}`; None where there is none."""
    inside = _last_boxed(text)
    found = list(_numbers(text if inside is None else inside))
    return found[-1] if found else None


def _expected(value: Any, column: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    number = last_number(value) if isinstance(value, str) else None
    if number is None:
        shown = f"`{value[:60]}`" if isinstance(value, str) else what_is(value)
        raise RewardError(f"the row has {shown} in column `{column}`, and no number")
    return number


def _numbers(text: str) -> Iterator[float]:
    for match in _NUMBER.finditer(_SPACING.sub(lambda m: "," if m[0] == "{,}" else "", text)):
        number = _value(match)
        if number is not None and math.isfinite(number):
            yield -number if match["sign"] in ("-", "−", "–") else number


def _value(match: re.Match[str]) -> float | None:
    if match["plain"] is not None:
        power = (match["e"] or match["ten"] or "0").replace("−", "-")
        return float(f"{match['plain'].replace(',', '')}e{power}")
    over, under = match["over"], match["under"]
    if over is None:
        over, under = match["digit"] or match["part"], match["below"] or match["of"]
    above, below = (float(each.replace(",", "")) for each in (over, under))
    return None if below == 0 else float(match["whole"] or 0) + above / below


def _last_boxed(text: str) -> str | None:
    """What stands in the last box that is closed, None where there is none."""
    open_braces: list[int | None] = []  # where boxes begin, None for other braces
    start, end = -1, -1
    for brace in _BRACE.finditer(text):
        if brace[0] != "}":
            open_braces.append(brace.end() if brace["box"] else None)
        elif open_braces:
            begun = open_braces.pop()
            if begun is not None and begun > start:
                start, end = begun, brace.start()
    return None if end < 0 else text[start:end]
