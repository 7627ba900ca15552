"""The right answer as mathematics."""

import re
import threading
from typing import Any, ClassVar, Literal

from recipe_runner.components.reward import Answer, Comparison, RewardError
from recipe_runner.plan import Requirement

_MARKED = re.compile(r"\$|\\(?:boxed|begin|\(|\[)")
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}\s+[A-Za-z]{2,}")
_PLAIN = re.compile(r"\s*[-+]?[\d,.]+(?:[eE][-+]?\d+)?\s*")
_SECONDS = 5
"""How long one text may take to be read, and two to be compared."""


class MathVerify(Comparison):
    r"""1 where the answer means the same as the mathematics in a column of the row, else 0.

    Use it for algebra, sets, intervals, matrices and equations: `\frac{1}{2}`, `0.5` and `1/2` are
    the same, `x + 1` and `1 + x` as well. The column and the answer may be LaTeX or plain, and
    the answer may stand in a text. It is slower than `number_match`, by the work of sympy, and
    does not know numbers such as `1e3`.
    """

    type: Literal["math_verify"]

    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("math-verify", "math_verify", "rewards: math_verify"),
    )
    snippet: ClassVar[str] = "rewards: {type: math_verify, column: answer}"

    def judge(self, answer: Answer) -> float:
        from math_verify import verify

        expected = [self._expected(text) for text in answer.texts(self.column)]
        said = self.said(answer)
        found = [] if said is None else _read(said)
        return float(
            any(bool(verify(right, found, timeout_seconds=_patience())) for right in expected)
        )

    def _expected(self, text: str) -> list[Any]:
        found = _read(text)
        if not found:
            raise RewardError(
                f"the row has `{text[:60]}` in column `{self.column}`, and no mathematics"
            )
        return found


def _read(text: str) -> list[Any]:
    """The mathematics in a text, or in a text that is nothing else; nothing where there is none."""
    from math_verify import parse

    found: list[Any] = []
    # The library looks for marks around formulas, and takes `1 + x` without any for 1.
    if not any(each.search(text) for each in (_MARKED, _PROSE)) and not _PLAIN.fullmatch(text):
        found = parse(f"${text}$", parsing_timeout=_patience())
    return found or parse(text, parsing_timeout=_patience())


def _patience() -> int | None:
    """Seconds; the library's clock is a signal, which only the main thread can have."""
    return _SECONDS if threading.current_thread() is threading.main_thread() else None
