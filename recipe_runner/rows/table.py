"""The first rows of Parquet and Arrow files, for a look before a run.

Reads with pyarrow where it is installed, which is with the training libraries; the
run itself reads tables through the datasets library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from recipe_runner.rows.row import CHUNK_ROWS, Chunk, Located, Where

if TYPE_CHECKING:
    import pyarrow

HEAD_ROWS = 4 * CHUNK_ROWS
"""Rows that are read of all files together."""

Batches = Iterator["pyarrow.RecordBatch"]


class TableHead:
    """The first rows of tables, held in memory; its length is that of the tables."""

    def __init__(self, rows: list[Located], length: int) -> None:
        self._rows = rows
        self._length = length
        self.chunks = [
            Chunk(start, min(start + CHUNK_ROWS, len(rows)))
            for start in range(0, len(rows), CHUNK_ROWS)
        ]

    def __len__(self) -> int:
        return self._length

    def read(self, chunk: Chunk) -> Iterator[Located]:
        return iter(self._rows[chunk.start : chunk.stop])


def parquet_head(files: Sequence[str]) -> TableHead | None:
    """The head of Parquet files; None without pyarrow, or where one of them is no such file."""
    return _head(files, _parquet)


def arrow_head(files: Sequence[str]) -> TableHead | None:
    """The head of Arrow files, streams or random-access ones; None as for `parquet_head`."""
    return _head(files, _arrow)


def without_nulls(value: Any) -> Any:
    """Leave out null fields of structs inside a column's value.

    A table gives all structs of a column the same fields, so a message without tool calls
    reads as one with `tool_calls: None`, which chat templates take for something else.
    """
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _head(files: Sequence[str], opened: Callable[[str], tuple[int, Batches]]) -> TableHead | None:
    if find_spec("pyarrow") is None:
        return None
    import pyarrow

    rows: list[Located] = []
    length = 0
    try:
        for file in files:
            count, batches = opened(file)
            length += count
            while len(rows) < HEAD_ROWS and (batch := next(batches, None)) is not None:
                for row in batch.to_pylist()[: HEAD_ROWS - len(rows)]:
                    values = {name: without_nulls(value) for name, value in row.items()}
                    rows.append((Where(len(rows) + 1), values))
    except (OSError, pyarrow.ArrowException):
        return None  # the run reads it through another library and tells what is wrong
    return TableHead(rows, length)


def _parquet(file: str) -> tuple[int, Batches]:
    from pyarrow.parquet import ParquetFile

    table = ParquetFile(file)
    return table.metadata.num_rows, table.iter_batches(batch_size=CHUNK_ROWS)


def _arrow(file: str) -> tuple[int, Batches]:
    import pyarrow

    with pyarrow.memory_map(file) as source:
        try:
            table = pyarrow.ipc.open_stream(source).read_all()
        except pyarrow.ArrowInvalid:
            table = pyarrow.ipc.open_file(source).read_all()
    return table.num_rows, iter(table.to_batches(max_chunksize=CHUNK_ROWS))
