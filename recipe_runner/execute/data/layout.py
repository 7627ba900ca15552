"""The files of prepared data, and how they are written and mapped.

For each source N, `tokens-N.arrow` holds tokens and labels and `rows-N.arrow` what stands
behind each row: the row of the source, its tokens counted, a mark of its content. Rows
are numbered from 0 through the training sources, one after the other. Where they are
drawn, split, repeated or removed, `train.order.arrow` and `eval.order.arrow` hold the
numbers of the rows that are used, in order. Where rows are packed, `train.packs.arrow` and
`eval.packs.arrow` hold the pieces of rows that each sequence is made of.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

TRAIN = "train.order.arrow"
EVAL = "eval.order.arrow"
TRAIN_PACKS = "train.packs.arrow"
EVAL_PACKS = "eval.packs.arrow"


def tokens_name(source: int) -> str:
    """The file with the tokens of a source, by its place in the plan."""
    return f"tokens-{source}.arrow"


def numbers_name(source: int) -> str:
    """The file with what stands behind the tokens of a source."""
    return f"rows-{source}.arrow"


def arrow_writer(stack: ExitStack, path: Path, schema: pa.Schema) -> Any:
    """A stream of record batches that ends with `stack`."""
    import pyarrow as pa

    file = stack.enter_context(pa.OSFile(str(path), "wb"))
    return stack.enter_context(pa.ipc.new_stream(file, schema))


def write_numbers(numbers: np.ndarray[Any, Any], path: Path) -> None:
    """Write the numbers of rows, in order."""
    import pyarrow as pa

    with ExitStack() as stack:
        schema = pa.schema({"indices": pa.uint64()})
        arrow_writer(stack, path, schema).write_table(
            pa.table([pa.array(numbers, pa.uint64())], schema=schema), max_chunksize=1 << 20
        )


def column(path: Path, name: str) -> Any:
    """A column of a file, mapped into memory."""
    import pyarrow as pa

    return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()[name]


def count_rows(path: Path) -> int:
    """The rows of a file; its columns are not read."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return sum(batch.num_rows for batch in pa.ipc.open_stream(file))
