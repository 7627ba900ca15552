"""The work of one process: a chunk of rows becomes a batch of tokens and a tally."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from recipe_runner.components.base import create
from recipe_runner.components.format import Example, Format
from recipe_runner.execute.data.signatures import signature_of
from recipe_runner.execute.tokenize import IGNORED, RowTokenizer, Tokenized, TokenizeSettings
from recipe_runner.execute.vision import ImageFolder, ImageRow, TextOnly, VisionTokenizer
from recipe_runner.plan import SourcePlan
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import consecutive_assistant, refuse_odd
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
    signatures: bytes = b""


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
                example = self.format.to_example(rename(row, self.source.columns))
                refuse_odd(example, self.source.on_bad_row)
                found.append((where, example))
            except RowProblem as problem:
                found.append((where, problem))
        return found


@dataclass
class Bench:
    """A reader with what turns its examples into tokens.

    `weighted` writes the column `weights`, `signed` makes a signature for each row.
    Where the model sees, `processor` stands for its tokenizer, and `images` finds pictures.
    """

    reader: Reader
    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    weighted: bool = False
    signed: bool = False
    processor: Any = None
    images: ImageFolder | None = None

    @cached_property
    def tokenize(self) -> Callable[[Sequence[Example]], list[tuple[Tokenized, ...] | RowProblem]]:
        if self.images is not None:
            return VisionTokenizer.of(self.processor, self.settings, self.images)
        return TextOnly(RowTokenizer.of(self.tokenizer, self.settings))

    def __getstate__(self) -> dict[str, Any]:
        # What is made on first use is made again in another process.
        return {name: value for name, value in vars(self).items() if name != "tokenize"}


class Outcome(NamedTuple):
    """What became of a row: its tokens, or why it has none. A row that no format reads has no example."""

    where: Where
    example: Example | None
    result: tuple[Tokenized, ...] | RowProblem


def outcomes(bench: Bench, task: Task) -> list[Outcome]:
    """What becomes of each row of `task`, in order: the same for training and for a look."""
    found = bench.reader.examples(task)
    results = iter(bench.tokenize([e for _, e in found if not isinstance(e, RowProblem)]))
    return [
        Outcome(where, None, example)
        if isinstance(example, RowProblem)
        else Outcome(where, example, next(results))
        for where, example in found
    ]


def do(benches: Sequence[Bench], task: Task) -> Done:
    """Prepare the rows of `task`."""
    bench = benches[task.source]
    found = outcomes(bench, task)
    keeps_odd = bench.reader.source.on_bad_row.consecutive_assistant == "keep"
    tally = Tally(read=len(found))
    rows: list[Tokenized] = []
    numbers: list[int] = []
    marks: list[bytes] = []
    signatures: list[bytes] = []
    for where, example, result in found:
        if isinstance(result, RowProblem):
            tally.fault(where, result)
            continue
        assert example is not None
        if keeps_odd and (odd := consecutive_assistant(example)) is not None:
            tally.keep(where, odd)
        rows += result
        numbers += [where.number - 1] * len(result)
        marks += [mark_of(example)] * len(result)
        if bench.signed:
            signatures += [signature_of(example)] * len(result)
        tally.used += 1
        tally.rows += len(result)
        for row in result:
            _count(tally, row)
    sees = bench.images is not None
    batches = _batches(rows, numbers, marks, weighted=bench.weighted, sees=sees)
    return Done(task.source, *batches, tally, b"".join(signatures))


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


def tokens_schema(*, weighted: bool = False, sees: bool = False) -> pa.Schema:
    """The columns of prepared data; labels are -100 where the loss is not taken.

    For a model that `sees` there are `pictures`, what `ImageRow.pictures` says.
    """
    import pyarrow as pa

    fields = {"input_ids": pa.list_(pa.int32()), "labels": pa.list_(pa.int32())}
    if weighted:
        fields["weights"] = pa.list_(pa.float32())
    if sees:
        fields["pictures"] = pa.list_(pa.uint8())
    return pa.schema(fields)


def numbers_schema() -> pa.Schema:
    """Behind each prepared row: the row of its source it was made from, from 0, and its mark.

    `length`, `trained` and `truncated` are tokens: all that are left, those that train,
    those that were cut off.
    """
    import pyarrow as pa

    counts = dict.fromkeys(("length", "trained", "truncated"), pa.int32())
    return pa.schema({"row": pa.int64(), **counts, "mark": pa.binary(16)})


def _batches(
    rows: list[Tokenized], numbers: list[int], marks: list[bytes], *, weighted: bool, sees: bool
) -> tuple[pa.RecordBatch | None, pa.RecordBatch | None]:
    import pyarrow as pa

    if not rows:
        return None, None
    columns = [
        _lists([row.input_ids for row in rows], "int32"),
        _lists([row.labels for row in rows], "int32"),
    ]
    if weighted:
        weights = [row.weights or [1.0] * len(row.labels) for row in rows]
        columns.append(_lists(weights, "float32"))
    if sees:
        pictures = [list(row.pictures) for row in rows if isinstance(row, ImageRow)]
        columns.append(pa.array(pictures, pa.list_(pa.uint8())))
    behind = [
        pa.array(numbers, pa.int64()),
        pa.array([len(row.input_ids) for row in rows], pa.int32()),
        pa.array([len(row.labels) - row.labels.count(IGNORED) for row in rows], pa.int32()),
        pa.array([row.truncated for row in rows], pa.int32()),
        pa.array(marks, pa.binary(16)),
    ]
    return (
        pa.record_batch(columns, tokens_schema(weighted=weighted, sees=sees)),
        pa.record_batch(behind, numbers_schema()),
    )


def _lists(values: Sequence[Sequence[float]], kind: str) -> pa.Array:
    """A column of lists of numbers: several times faster than Arrow's own conversion."""
    import numpy as np
    import pyarrow as pa

    offsets: np.ndarray[Any, Any] = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(each) for each in values], out=offsets[1:])
    flat = np.concatenate([np.array(each, kind) for each in values])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
