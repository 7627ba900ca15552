"""Counts of what became of rows, and the first faults of each kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from recipe_runner.rows.row import RowProblem, Where

SHOWN = 5
"""Places that are remembered per reason and source."""


@dataclass
class Faults:
    """The faults of one reason: how many, and the first few with their words."""

    rows: int = 0
    first: list[tuple[Where, str]] = field(default_factory=list)

    def add(self, other: Faults) -> None:
        self.rows += other.rows
        self.first = (self.first + other.first)[:SHOWN]


@dataclass
class Tally:
    """Counts while rows are prepared; the tallies of chunks add up to that of their source.

    `used` counts rows of the source, `rows` what they became: more where long ones are split.
    `kept` are rows that are used although something is odd about them.
    """

    read: int = 0
    used: int = 0
    rows: int = 0
    truncated_rows: int = 0
    truncated_tokens: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    faults: dict[str, Faults] = field(default_factory=dict)
    kept: dict[str, Faults] = field(default_factory=dict)

    def fault(self, where: Where, problem: RowProblem) -> None:
        """Count a row that cannot be used."""
        faults = self.faults.setdefault(problem.reason, Faults())
        faults.add(Faults(1, [(where, problem.message)]))

    def keep(self, where: Where, problem: RowProblem) -> None:
        """Count a row that is used although it is odd."""
        self.kept.setdefault(problem.reason, Faults()).add(Faults(1, [(where, problem.message)]))

    def add(self, other: Tally) -> None:
        """Add the counts of the rows that follow."""
        self.read += other.read
        self.used += other.used
        self.rows += other.rows
        self.truncated_rows += other.truncated_rows
        self.truncated_tokens += other.truncated_tokens
        self.tokens += other.tokens
        self.trained_tokens += other.trained_tokens
        self.longest = max(self.longest, other.longest)
        for reason, faults in other.faults.items():
            self.faults.setdefault(reason, Faults()).add(faults)
        for reason, faults in other.kept.items():
            self.kept.setdefault(reason, Faults()).add(faults)
