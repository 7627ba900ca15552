"""A code: the stable name of one thing that can go wrong.

Codes are never reused and never change their meaning. A code's `page` is the text
from which `docs/errors/RRxxx.md` is generated and which `recipe-run explain` prints.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]

FAMILIES = {
    "RR0": "input",
    "RR1": "syntax",
    "RR2": "schema",
    "RR3": "rules between options",
    "RR4": "data, model and machine",
    "RR5": "upstream libraries",
    "RR6": "before the run",
    "RR7": "during the run",
    "RR9": "internal",
}

_SHAPE = re.compile(r"RR\d{3}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Code:
    """One kind of diagnostic.

    `id` is `RR` and three digits, `name` is kebab-case and says the fault
    ("unknown-key"), `page` is Markdown with the headings *What it means*,
    *Why it matters*, *Example* and *Instead*.
    """

    id: str
    name: str
    page: str
    severity: Severity = "error"

    def __post_init__(self) -> None:
        if not _SHAPE.fullmatch(self.id) or self.id[:3] not in FAMILIES:
            raise ValueError(f"{self.id!r} is not a code of a known family")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not kebab-case")
        object.__setattr__(self, "page", _dedented(self.page))

    @property
    def family(self) -> str:
        """The family's name, from the first digit."""
        return FAMILIES[self.id[:3]]

    @property
    def summary(self) -> str:
        """The page's first sentence under *What it means*, on one line."""
        body = self.page.split("## What it means", 1)[-1].strip()
        first = body.split("\n\n", 1)[0].replace("\n", " ")
        return re.split(r"(?<=\.)\s", first, maxsplit=1)[0]


def _dedented(page: str) -> str:
    """`page` without its indentation; unlike `inspect.cleandoc` it keeps tabs in examples."""
    first, _, rest = page.partition("\n")
    return f"{first.strip()}\n{textwrap.dedent(rest)}".strip()
