"""Rows of tables: Parquet and Arrow files and data sets of the hub, through `datasets`.

Tables are memory-mapped: what is read is taken from the page cache, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.codes import DATA_UNREADABLE, HUB_DATASET_UNREACHABLE
from recipe_runner.plan import SourcePlan
from recipe_runner.rows.row import CHUNK_ROWS, Chunk, Located, Where
from recipe_runner.rows.table import without_nulls

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class TableRows:
    """Rows of a memory-mapped table."""

    table: Dataset
    chunks: Sequence[Chunk] = field(init=False)

    def __post_init__(self) -> None:
        # `table.features` is a copy.
        _leave_encoded(self.table.info.features)
        rows = len(self.table)
        self.chunks = [
            Chunk(start, min(start + CHUNK_ROWS, rows)) for start in range(0, rows, CHUNK_ROWS)
        ]

    def __len__(self) -> int:
        return len(self.table)

    def read(self, chunk: Chunk) -> Iterator[Located]:
        columns: dict[str, list[Any]] = self.table[chunk.start : chunk.stop]
        for number in range(chunk.start, chunk.stop):
            at = number - chunk.start
            row = {name: without_nulls(values[at]) for name, values in columns.items()}
            yield Where(number + 1), row


def _leave_encoded(feature: Any) -> None:
    """Images stay the bytes or the path that they are in the table."""
    from datasets import Image, LargeList, List

    if isinstance(feature, Image):
        feature.decode = False
    elif isinstance(feature, List | LargeList):
        _leave_encoded(feature.feature)
    elif isinstance(feature, dict | list):
        for inner in feature.values() if isinstance(feature, dict) else feature:
            _leave_encoded(inner)


def open_files(source: SourcePlan, folder: Path) -> Dataset:
    """Map Parquet or Arrow files; what `datasets` writes for that goes to `folder`.

    Reports RR428 where a file is not what its loader expects.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError
    from pyarrow import ArrowException

    try:
        table = load_dataset(
            source.loader, data_files=list(source.files), split="train", cache_dir=str(folder)
        )
    except (DatasetGenerationError, ArrowException, ValueError) as error:
        cause = error.__cause__ or error
        raise DiagnosticError(
            Diagnostic(
                DATA_UNREADABLE,
                f"`{source.path}` cannot be read as {source.loader}: {_first_line(cause)}",
                Place(source.files[0]),
                "write the file again, or give it the ending of its real kind",
            )
        ) from error
    return table


def open_hub(source: SourcePlan, revision: str, folder: Path, recipe: str) -> Dataset:
    """Fetch and map a data set of the hub at `revision`, a commit.

    Reports RR426 where the hub does not give it, RR428 where it cannot be read.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError
    from pyarrow import ArrowException

    try:
        table = load_dataset(
            source.path,
            name=source.name,
            revision=revision,
            data_files=source.loader_options.get("data_files"),
            split=source.split,
            cache_dir=str(folder),
        )
    except (OSError, ConnectionError) as error:
        raise DiagnosticError(unreachable(source, recipe, error)) from error
    except (DatasetGenerationError, ArrowException, ValueError, RuntimeError) as error:
        cause = error.__cause__ or error
        raise DiagnosticError(
            Diagnostic(
                DATA_UNREADABLE,
                f"`{source.path}`, split `{source.split}`, cannot be read: {_first_line(cause)}",
                Place(recipe),
                "look at the data set's page on the hub for its names (`name`), splits (`split`) "
                "and files (`data_files`)",
            )
        ) from error
    return table


def unreachable(source: SourcePlan, recipe: str, error: Exception) -> Diagnostic:
    """RR426 in the words of whatever stood in the way."""
    return Diagnostic(
        HUB_DATASET_UNREACHABLE,
        f"the data set `{source.path}` of the hub is out of reach: {_first_line(error)}",
        Place(recipe),
        "check the id and `revision`, log in with `hf auth login` where it is private or gated, "
        "or fetch it once on a machine with a connection and name the local files",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
