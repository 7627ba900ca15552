"""What the rows that were looked at have in common, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recipe_runner.execute.preview.row import Count, PreviewRow

_LONGEST = 3


@dataclass(frozen=True)
class Summary:
    """Counts over rows; tokens are those that are left after truncation.

    `longest` are the longest rows, before truncation, and `problems` counts the rows that
    do not train by their reason.
    """

    rows: int
    tokens: int
    trained: int
    truncated_rows: int
    truncated_tokens: int
    roles: Mapping[str, Count]
    longest: tuple[PreviewRow, ...]
    problems: Mapping[str, int]

    @property
    def share(self) -> float:
        """The share of tokens that train, 0 to 1."""
        return self.trained / self.tokens if self.tokens else 0.0


def summary_of(rows: Iterable[PreviewRow]) -> Summary:
    """Count rows; one that is shown twice counts once."""
    several = {(row.source, row.where.number, row.part): row for row in rows}
    used = [row for row in several.values() if row.problem is None]
    roles: dict[str, Count] = {}
    for row in used:
        for role, count in row.roles.items():
            before = roles.get(role, Count())
            roles[role] = Count(before.tokens + count.tokens, before.trained + count.trained)
    problems: dict[str, int] = {}
    for row in several.values():
        if row.problem is not None:
            problems[row.problem.reason] = problems.get(row.problem.reason, 0) + 1
    by_length = sorted(used, key=lambda row: -(row.tokens + row.truncated))
    return Summary(
        rows=len(several),
        tokens=sum(row.tokens for row in used),
        trained=sum(row.trained for row in used),
        truncated_rows=sum(row.truncated > 0 for row in used),
        truncated_tokens=sum(row.truncated for row in used),
        roles=dict(sorted(roles.items(), key=lambda item: -item[1].tokens)),
        longest=tuple(by_length[:_LONGEST]),
        problems=problems,
    )
