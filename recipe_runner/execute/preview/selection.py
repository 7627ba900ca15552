"""Which rows to look at, and how they are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from recipe_runner.execute.data.build import ProgressSink
from recipe_runner.execute.data.examples import evaluation_origins
from recipe_runner.execute.data.layout import column, numbers_name
from recipe_runner.execute.data.prepare import Prepared, prepare
from recipe_runner.execute.data.work import Outcome
from recipe_runner.execute.preview.desk import Desk
from recipe_runner.execute.preview.roles import messages_of
from recipe_runner.execute.preview.row import PreviewRow
from recipe_runner.plan import Plan
from recipe_runner.rows.row import CHUNK_ROWS

Worst = Literal["longest", "least-trained", "most-truncated"]
WORST: tuple[Worst, ...] = ("longest", "least-trained", "most-truncated")

_STEP = 64
"""Rows that are tokenized at a time while a filter looks for some."""


class SelectionError(ValueError):
    """The rows that were asked for cannot be there; the message says why."""


@dataclass(frozen=True)
class Selection:
    """The rows to look at: those of the given `numbers`, the `worst`, or the first `rows`.

    `source` counts the data sets from 1, None means all of them. Filters leave rows out:
    `role` wants a turn of that role, `contains` a text (upper and lower case are one),
    `untrained` rows without a token that trains, `truncated` rows that were cut.
    """

    rows: int = 3
    numbers: tuple[int, ...] = ()
    source: int | None = None
    evaluation: bool = False
    worst: tuple[Worst, ...] = ()
    role: str | None = None
    contains: str | None = None
    untrained: bool = False
    truncated: bool = False

    @property
    def filters(self) -> bool:
        """True where rows are looked for by what is in them."""
        return bool(self.role or self.contains or self.untrained or self.truncated)

    def at_head(self, plan: Plan) -> bool:
        """True where the first thousand rows of each data set are enough to find these."""
        drawn = any(s.fraction_of_rows for s in (*plan.data.train, *plan.data.eval))
        asked = self.numbers or self.filters or self.worst or self.rows > CHUNK_ROWS
        return not drawn and not asked


@dataclass(frozen=True)
class Shown:
    """Rows that are shown together, and why: such as "the first 3 rows"."""

    title: str
    rows: tuple[PreviewRow, ...]


def look(
    desk: Desk, selection: Selection, progress: ProgressSink | None = None
) -> tuple[Shown, ...]:
    """The rows of `selection`. Raises `SelectionError` where there can be none.

    Only `worst`, and evaluation rows that are split off, need prepared data, and prepare
    them.
    """
    places = _places(desk.plan, selection)
    split = selection.evaluation and not desk.plan.data.eval
    if selection.worst or split:
        prepared = prepare(desk.plan, desk.tokenizer, progress=progress)
        held_out = _held_out(desk.plan, prepared) if split else None
        if selection.worst:
            return tuple(
                _worst(desk, prepared, kind, selection, places, held_out)
                for kind in selection.worst
            )
        assert held_out is not None
        return (_held_out_rows(desk, selection, places, held_out),)
    if selection.numbers:
        return (_numbered(desk, selection, places),)
    return (_first(desk, selection, {place: desk.used(place) for place in places}),)


def _places(plan: Plan, selection: Selection) -> list[int]:
    train = len(plan.data.train)
    if not selection.evaluation:
        places = list(range(train))
    elif plan.data.eval:
        places = list(range(train, train + len(plan.data.eval)))
    elif plan.data.eval_split is not None:
        places = list(range(train))
    else:
        raise SelectionError("the recipe has no evaluation rows: `data.eval` is not set")
    if selection.source is None:
        return places
    if not 1 <= selection.source <= len(places):
        kind = "to evaluate on" if selection.evaluation else "to train on"
        raise SelectionError(
            f"there is no data set {selection.source} {kind}; the recipe names {len(places)}"
        )
    return [places[selection.source - 1]]


def _numbered(desk: Desk, selection: Selection, places: Sequence[int]) -> Shown:
    found: list[PreviewRow] = []
    for place in places:
        lens, count = desk.lens(place), len(desk.bench(place).reader.rows)
        inside = [number for number in selection.numbers if 1 <= number <= count]
        by_number: dict[int, list[PreviewRow]] = {
            outcome.where.number: lens.rows(outcome) for outcome in desk.outcomes(place, inside)
        }
        found += [row for number in dict.fromkeys(inside) for row in by_number.get(number, [])]
    seen = {row.where.number for row in found}
    missing = [number for number in selection.numbers if number not in seen]
    if missing:
        most = max(len(desk.bench(place).reader.rows) for place in places)
        raise SelectionError(f"there is no row {missing[0]}: rows are numbered from 1 to {most}")
    return Shown("rows by number", tuple(row for row in found if _fits(row, selection)))


def _first(desk: Desk, selection: Selection, numbers: Mapping[int, Iterator[int]]) -> Shown:
    found: list[PreviewRow] = []
    for place, those in numbers.items():
        lens = desk.lens(place)
        if not selection.filters:
            for outcome in desk.outcomes(place, list(islice(those, selection.rows))):
                found += lens.rows(outcome)
            continue
        left = selection.rows
        while left > 0 and (some := list(islice(those, _STEP))):
            for outcome in desk.outcomes(place, some):
                if left > 0 and _may_fit(outcome, selection):
                    rows = [row for row in lens.rows(outcome) if _fits(row, selection)]
                    found += rows
                    left -= bool(rows)
    each = " of each data set" if len(numbers) > 1 else ""
    what = "row" if selection.rows == 1 else f"{selection.rows} rows"
    match = " with what is looked for" if selection.filters else ""
    return Shown(f"the first {what}{match}{each}", tuple(found))


def _may_fit(outcome: Outcome, selection: Selection) -> bool:
    """What can be said before a row is decoded, which is slow."""
    example = outcome.example
    if selection.contains is not None and (
        example is None or selection.contains.casefold() not in " ".join(_texts(example)).casefold()
    ):
        return False
    if selection.role is not None:
        turns = messages_of(example) if example is not None else []
        return any(turn.get("role") == selection.role for turn in turns)
    return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _fits(row: PreviewRow, selection: Selection) -> bool:
    return not (selection.untrained and row.trained) and not (
        selection.truncated and not row.truncated
    )


def _worst(
    desk: Desk,
    prepared: Prepared,
    kind: Worst,
    selection: Selection,
    places: Sequence[int],
    held_out: set[tuple[int, int]] | None,
) -> Shown:
    """The rows of the worst tokens, worst first."""
    import numpy as np

    ranked: list[tuple[float, int, int]] = []
    for place in places:
        file = prepared.folder / numbers_name(place)
        rows, length, trained, truncated = (
            column(file, name).to_numpy() for name in ("row", "length", "trained", "truncated")
        )
        measure = {
            "longest": length + truncated,
            "least-trained": -(trained / np.maximum(length, 1)),
            "most-truncated": truncated,
        }[kind]
        for index in np.argsort(-measure, kind="stable"):
            if sum(1 for _, at, _ in ranked if at == place) >= selection.rows:
                break
            if kind == "most-truncated" and not truncated[index]:
                break
            at = (place, int(rows[index]) + 1)
            if (held_out is None or at in held_out) and at not in {r[1:] for r in ranked}:
                ranked.append((-float(measure[index]), *at))
    ranked = sorted(ranked)[: selection.rows]
    return Shown(_TITLES[kind], _rows_at(desk, [(place, number) for _, place, number in ranked]))


_TITLES: Mapping[Worst, str] = {
    "longest": "the longest rows",
    "least-trained": "the rows with the smallest share of trained tokens",
    "most-truncated": "the rows that lose most to truncation",
}


def _rows_at(desk: Desk, wanted: Sequence[tuple[int, int]]) -> tuple[PreviewRow, ...]:
    """The rows of these data sets and numbers, in this order."""
    found: dict[tuple[int, int], list[PreviewRow]] = {}
    for place in sorted({place for place, _ in wanted}):
        lens = desk.lens(place)
        numbers = [number for at, number in wanted if at == place]
        for outcome in desk.outcomes(place, numbers):
            found[place, outcome.where.number] = lens.rows(outcome)
    return tuple(row for at in wanted for row in found[at])


def _held_out(plan: Plan, prepared: Prepared) -> set[tuple[int, int]]:
    """Places and numbers of the rows that a split holds out."""
    return {(place, row + 1) for place, row in evaluation_origins(plan, prepared.folder)}


def _held_out_rows(
    desk: Desk, selection: Selection, places: Sequence[int], held_out: set[tuple[int, int]]
) -> Shown:
    numbers = {place: sorted(number for at, number in held_out if at == place) for place in places}
    for wanted in selection.numbers:
        if not any(wanted in some for some in numbers.values()):
            raise SelectionError(f"row {wanted} is not held out: it trains, or is not there")
    if selection.numbers:
        asked = [(at, n) for n in selection.numbers for at in places if n in numbers[at]]
        rows = _rows_at(desk, asked)
        return Shown("rows by number", tuple(row for row in rows if _fits(row, selection)))
    return _first(desk, selection, {place: iter(some) for place, some in numbers.items()})
