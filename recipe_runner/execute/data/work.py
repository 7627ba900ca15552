"""The work of one process: a chunk of rows becomes a batch of tokens and a tally."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from recipe_runner.components.base import create
from recipe_runner.components.format import Example, Format
from recipe_runner.execute.tokenize import IGNORED, RowTokenizer, Tokenized, TokenizeSettings
from recipe_runner.plan import SourcePlan
from recipe_runner.rows import RowProblem
from recipe_runner.rows.row import Chunk, Rows, Where, rename
from recipe_runner.rows.tally import Tally

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from transformers import PreTrainedTokenizerBase

FORMATS = "recipe_runner.components.formats"


class Task(NamedTuple):
    """A chunk of a source; `wanted` are the numbers of the rows to use, None for all."""

    source: int
    chunk: Chunk
    wanted: np.ndarray[Any, Any] | None = None


class Done(NamedTuple):
    """The rows of a task as tokens and labels, and what stands behind each; None where there are none."""

    source: int
    batch: pa.RecordBatch | None
    numbers: pa.RecordBatch | None
    tally: Tally


@dataclass
class Reader:
    """A source whose rows are read as examples."""

    source: SourcePlan
    rows: Rows

    @cached_property
    def format(self) -> Format:
        plan = self.source.format
        made: Format = create(FORMATS, {"type": plan.type, **plan.options})
        return made

    def examples(self, task: Task) -> list[tuple[Where, Example | RowProblem]]:
        """The task's rows in their format's words."""
        wanted = None if task.wanted is None else set(task.wanted.tolist())
        found: list[tuple[Where, Example | RowProblem]] = []
        for where, row in self.rows.read(task.chunk):
            if wanted is not None and where.number - 1 not in wanted:
                continue
            if isinstance(row, RowProblem):
                found.append((where, row))
                continue
            try:
                found.append((where, self.format.to_example(rename(row, self.source.columns))))
            except RowProblem as problem:
                found.append((where, problem))
        return found


@dataclass
class Bench:
    """A reader with what turns its examples into tokens; `weighted` writes the column `weights`."""

    reader: Reader
    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    weighted: bool = False

    @cached_property
    def tokenize(self) -> RowTokenizer:
        return RowTokenizer.of(self.tokenizer, self.settings)

    def __getstate__(self) -> dict[str, Any]:
        # What is made on first use is made again in another process.
        return {name: value for name, value in vars(self).items() if name != "tokenize"}


def do(benches: Sequence[Bench], task: Task) -> Done:
    """Prepare the rows of `task`."""
    bench = benches[task.source]
    found = bench.reader.examples(task)
    results = iter(bench.tokenize([e for _, e in found if not isinstance(e, RowProblem)]))
    tally = Tally(read=len(found))
    rows: list[Tokenized] = []
    numbers: list[int] = []
    marks: list[bytes] = []
    for where, example in found:
        result = example if isinstance(example, RowProblem) else next(results)
        if isinstance(result, RowProblem):
            tally.fault(where, result)
            continue
        assert not isinstance(example, RowProblem)
        rows += result
        numbers += [where.number - 1] * len(result)
        marks += [mark_of(example)] * len(result)
        tally.used += 1
        tally.rows += len(result)
        for row in result:
            _count(tally, row)
    return Done(task.source, *_batches(rows, numbers, marks, weighted=bench.weighted), tally)


def _count(tally: Tally, row: Tokenized) -> None:
    tally.truncated_rows += row.truncated > 0
    tally.truncated_tokens += row.truncated
    tally.tokens += len(row.labels)
    tally.trained_tokens += len(row.labels) - row.labels.count(IGNORED)
    tally.longest = max(tally.longest, len(row.labels))


def mark_of(example: Example) -> bytes:
    """16 bytes that tell the content of an example: equal examples have equal marks."""
    text = json.dumps(example, sort_keys=True, ensure_ascii=False, default=repr)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def tokens_schema(*, weighted: bool = False) -> pa.Schema:
    """The columns of prepared data; labels are -100 where the loss is not taken."""
    import pyarrow as pa

    fields = {"input_ids": pa.list_(pa.int32()), "labels": pa.list_(pa.int32())}
    return pa.schema({**fields, "weights": pa.list_(pa.float32())} if weighted else fields)


def numbers_schema() -> pa.Schema:
    """Behind each prepared row: the row of its source it was made from, from 0, its length in tokens, its mark."""
    import pyarrow as pa

    return pa.schema({"row": pa.int64(), "length": pa.int32(), "mark": pa.binary(16)})


def _batches(
    rows: list[Tokenized], numbers: list[int], marks: list[bytes], *, weighted: bool
) -> tuple[pa.RecordBatch | None, pa.RecordBatch | None]:
    import pyarrow as pa

    if not rows:
        return None, None
    tokens = pa.list_(pa.int32())
    columns = [
        pa.array([row.input_ids for row in rows], tokens),
        pa.array([row.labels for row in rows], tokens),
    ]
    if weighted:
        weights = [row.weights or [1.0] * len(row.labels) for row in rows]
        columns.append(pa.array(weights, pa.list_(pa.float32())))
    behind = [
        pa.array(numbers, pa.int64()),
        pa.array([len(row.input_ids) for row in rows], pa.int32()),
        pa.array(marks, pa.binary(16)),
    ]
    return (
        pa.record_batch(columns, tokens_schema(weighted=weighted)),
        pa.record_batch(behind, numbers_schema()),
    )
