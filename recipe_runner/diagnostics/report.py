"""A report: all findings of one command, in order, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from recipe_runner.diagnostics.code import Severity
from recipe_runner.diagnostics.diagnostic import Diagnostic


@dataclass(frozen=True)
class Report:
    """Diagnostics, sorted by place and without repetitions."""

    diagnostics: tuple[Diagnostic, ...] = ()

    @classmethod
    def of(cls, diagnostics: Iterable[Diagnostic]) -> Report:
        """Sort `diagnostics` by place and drop those that say the same thing twice."""
        return cls(tuple(sorted(dict.fromkeys(diagnostics), key=lambda d: d.sort_key)))

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.diagnostics)

    def __len__(self) -> int:
        return len(self.diagnostics)

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(d.severity == severity for d in self.diagnostics)

    @property
    def ok(self) -> bool:
        """True where nothing stands in the way: there may be warnings and notes."""
        return self.count("error") == 0

    def __add__(self, other: Report) -> Report:
        return Report.of((*self.diagnostics, *other.diagnostics))
