"""The work of one process: a chunk of rows becomes a batch of tokens and a tally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from recipe_runner.components.base import create
from recipe_runner.components.format import Example, Format
from recipe_runner.execute.tokenize import IGNORED, RowTokenizer, TokenizeSettings
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
    """The used rows of a task as `input_ids` and `labels`, None where there are none.

    `numbers` are the places of the used rows in their source, from 0.
    """

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
    """A reader with what turns its examples into tokens."""

    reader: Reader
    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings

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
    tally, ids, labels, numbers = Tally(read=len(found)), [], [], []
    for where, example in found:
        result = example if isinstance(example, RowProblem) else next(results)
        if isinstance(result, RowProblem):
            tally.fault(where, result)
            continue
        ids.append(result.input_ids)
        labels.append(result.labels)
        numbers.append(where.number - 1)
        tally.used += 1
        tally.truncated_rows += result.truncated > 0
        tally.truncated_tokens += result.truncated
        tally.tokens += len(result.labels)
        tally.trained_tokens += len(result.labels) - result.labels.count(IGNORED)
        tally.longest = max(tally.longest, len(result.labels))
    return Done(task.source, *_batches(ids, labels, numbers), tally)


def tokens_schema() -> pa.Schema:
    """The columns of prepared data; labels are -100 where the loss is not taken."""
    import pyarrow as pa

    return pa.schema({"input_ids": pa.list_(pa.int32()), "labels": pa.list_(pa.int32())})


def numbers_schema() -> pa.Schema:
    """Which rows of its source the prepared rows were made from, counted from 0."""
    import pyarrow as pa

    return pa.schema({"row": pa.int64()})


def _batches(
    ids: list[list[int]], labels: list[list[int]], numbers: list[int]
) -> tuple[pa.RecordBatch | None, pa.RecordBatch | None]:
    import pyarrow as pa

    if not ids:
        return None, None
    tokens = pa.list_(pa.int32())
    return (
        pa.record_batch([pa.array(ids, tokens), pa.array(labels, tokens)], tokens_schema()),
        pa.record_batch([pa.array(numbers, pa.int64())], numbers_schema()),
    )
