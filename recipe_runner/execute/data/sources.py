"""Opens a source: the one place that knows which loader reads what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.components.base import create, discover
from recipe_runner.components.source import Source
from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.tables import TableRows, open_files, open_hub
from recipe_runner.plan import SourcePlan
from recipe_runner.rows.codes.files import NO_ROWS
from recipe_runner.rows.row import Rows

if TYPE_CHECKING:
    import numpy as np

SOURCES = "recipe_runner.components.sources"


def is_remote(source: SourcePlan) -> bool:
    """True for a data set of a hub: its loader reads no files of its own."""
    builder: str | None = discover(SOURCES)[source.loader].builder  # type: ignore[attr-defined]  # of Source
    return builder is None


def open_rows(
    source: SourcePlan, folder: Path, *, revision: str | None, recipe: str, head: bool = False
) -> Rows:
    """The rows of `source`.

    JSON lines, CSV and text are read in place. Whatever has to be written to read the
    rest goes to `folder` and is needed as long as the rows are. `revision` is the commit
    of a hub data set. Reports RR402 and RR403 (a broken JSON array), RR406, RR426, RR428, RR435
    and RR436 (compressed files).
    With `head` the rows end after about the first thousand, and nothing is written.
    """
    rows: Rows
    if revision is not None:
        rows = TableRows(open_hub(source, revision, folder, recipe))
    else:
        kind: Source = create(SOURCES, {"type": source.loader, **source.loader_options})
        read = (
            kind.rows(source.files, max_chunks=1)
            if head
            else kind.rows(source.files, scratch=folder)
        )
        rows = TableRows(open_files(source, folder)) if read is None else read
    if not len(rows):
        empty = Place(source.files[0] if source.files else recipe)
        raise DiagnosticError(
            Diagnostic(
                NO_ROWS,
                f"`{source.path}` has no rows",
                empty,
                "put rows into it, or name other data",
            )
        )
    return rows


def chosen(source: SourcePlan, rows: int, seed: int) -> np.ndarray[Any, Any] | None:
    """Which of `rows` rows are used, ascending from 0; None where all are.

    `limit` takes rows from the first. `fraction_of_rows` then takes the first rows of a
    shuffle with `seed` (at least one) and puts them back into the order of the file.
    """
    import numpy as np

    limited = rows if source.limit is None else min(source.limit, rows)
    if source.fraction_of_rows is None or source.fraction_of_rows >= 1:
        return None if limited == rows else np.arange(limited)
    count = max(1, round(source.fraction_of_rows * limited))
    drawn: np.ndarray[Any, Any] = np.sort(np.random.default_rng(seed).permutation(limited)[:count])
    return drawn
