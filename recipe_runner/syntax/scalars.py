"""What an unquoted scalar means in the core schema of YAML 1.2.

`1e-4`, `5.`, `.5`, `0x1f` and `0o17` are numbers; `no`, `on`, `1_000`, `12:30` and
`2024-01-01` are text. YAML 1.1 reads all of these otherwise.

Source: YAML 1.2.2, section 10.3.2 (tag resolution of the core schema).
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_NAMED: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{
        sign + word: -math.inf if sign == "-" else math.inf
        for sign in ("", "+", "-")
        for word in (".inf", ".Inf", ".INF")
    },
}
_MAY_BE_NUMBER = frozenset("0123456789+-.")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

# A 64-bit float ends at 1.8e308, so a longer integer has no float beside it. Python
# itself refuses to read integers of more than 4,300 digits.
_MOST_DIGITS = 309


def plain_value(text: str) -> Scalar:
    """The value of the unquoted scalar `text`.

    A number beyond the range of a 64-bit float comes back as an infinity, as do
    `.inf` and its spellings; `.nan` comes back as nan. The caller reports them.
    """
    if text in _NAMED:
        return _NAMED[text]
    if text[0] not in _MAY_BE_NUMBER:
        return text
    if _DECIMAL.fullmatch(text):
        return _integer(text, 10)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _OCTAL.fullmatch(text):
        return _integer(text[2:], 8)
    if _HEXADECIMAL.fullmatch(text):
        return _integer(text[2:], 16)
    return text


def _integer(digits: str, base: int) -> int | float:
    significant = digits.lstrip("+-").lstrip("0")
    if len(significant) > _MOST_DIGITS:
        return -math.inf if digits.startswith("-") else math.inf
    return int(digits, base)


def joined_surrogates(text: str) -> str | None:
    r"""`text` with the pairs that JSON writes as `"\ud83d\ude00"` joined; None if one is alone."""
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None
