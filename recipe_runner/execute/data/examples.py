"""The first rows of prepared data as examples again: what was written, not tokens.

Scoring lets the model answer rows that it did not train on. With a split, only the
prepared data know which rows those are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from recipe_runner.components.format import Example
from recipe_runner.execute.data.cache import cache_root
from recipe_runner.execute.data.layout import EVAL, column, numbers_name
from recipe_runner.execute.data.prepare import Prepared
from recipe_runner.execute.data.remote import at_hand
from recipe_runner.execute.data.sources import is_remote, open_rows
from recipe_runner.execute.data.work import Reader, Task
from recipe_runner.plan import Plan
from recipe_runner.rows import RowProblem


def evaluation_examples(plan: Plan, prepared: Prepared, count: int) -> list[Example]:
    """The first `count` evaluation rows of `prepared`, in their order, before tokenizing."""
    plan = at_hand(plan, cache_root())
    origins = list(islice(evaluation_origins(plan, prepared.folder), count))
    by_source: dict[int, list[int]] = {}
    for source, row in origins:
        by_source.setdefault(source, []).append(row)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            (source, row): example
            for source, rows in by_source.items()
            for row, example in _read(plan, prepared, source, rows, Path(folder))
        }
    return [found[origin] for origin in origins]


def evaluation_origins(plan: Plan, folder: Path) -> Iterator[tuple[int, int]]:
    """The source and the number there, from 0, of each evaluation row."""
    first = len(plan.data.train) if plan.data.eval else 0
    sources = range(first, first + len(plan.data.eval or plan.data.train))
    columns = [column(folder / numbers_name(source), "row") for source in sources]
    if plan.data.eval:
        yield from (
            (n, row.as_py()) for n, rows in zip(sources, columns, strict=True) for row in rows
        )
        return
    if plan.data.eval_split is None:
        return
    for index in column(folder / EVAL, "indices"):
        at = index.as_py()
        for source, rows in zip(sources, columns, strict=True):
            if at < len(rows):
                yield source, rows[at].as_py()
                break
            at -= len(rows)


def _read(
    plan: Plan, prepared: Prepared, number: int, rows: Sequence[int], folder: Path
) -> Iterator[tuple[int, Example]]:
    import numpy as np

    source = (*plan.data.train, *plan.data.eval)[number]
    commit = prepared.contents[number][0] if is_remote(source) else None
    kept = folder / str(number) if commit is None else cache_root() / "hub"
    reader = Reader(source, open_rows(source, kept, revision=commit, recipe=plan.recipe_path))
    wanted = np.asarray(sorted(rows))
    for chunk in reader.rows.chunks:
        inside = wanted[(wanted >= chunk.start) & (wanted < chunk.stop)]
        if len(inside):
            for where, example in reader.examples(Task(number, chunk, inside)):
                assert not isinstance(example, RowProblem), "a row that was used has no problem"
                yield where.number - 1, example
