"""The work of one process: a chunk of rows becomes a batch of tokens and a tally."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from recipe_runner.components.base import create
from recipe_runner.components.format import Example, Format
from recipe_runner.execute.data.columns import ANSWERS, Columns, length_of, trained_of
from recipe_runner.execute.data.signatures import signature_of
from recipe_runner.execute.tokenize import (
    AnswersTokenizer,
    PromptTokenizer,
    RowTokenizer,
    Tokenized,
    TokenizeSettings,
)
from recipe_runner.execute.vision import ImageFolder, TextOnly, VisionTokenizer
from recipe_runner.plan import SourcePlan, StepLoss
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import consecutive_assistant, refuse_odd
from recipe_runner.rows.row import Chunk, Rows, Where, rename
from recipe_runner.rows.tally import Tally

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from transformers import PreTrainedTokenizerBase

FORMATS = "recipe_runner.components.formats"

Result = tuple[Tokenized, ...] | RowProblem


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

    `columns` are what is written of a row, `signed` makes a signature for each row, `steps`
    says which steps of an answer count. Where the model sees, `processor` stands for its
    tokenizer, and `images` finds pictures.
    """

    reader: Reader
    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    columns: Columns = field(default_factory=Columns)
    signed: bool = False
    steps: StepLoss | None = None
    processor: Any = None
    images: ImageFolder | None = None

    @cached_property
    def tokenize(self) -> Callable[[Sequence[Example]], list[Result]]:
        if self.images is not None:
            return VisionTokenizer.of(self.processor, self.settings, self.images)
        return TextOnly(self._of_texts())

    def _of_texts(self) -> Callable[[Sequence[Example]], list[Result]]:
        """What turns examples without images into rows of the feed."""
        feed = self.columns.feed
        if feed in ANSWERS:
            return AnswersTokenizer.of(self.tokenizer, self.settings, ANSWERS[feed])
        if feed == "prompts":
            return PromptTokenizer.of(self.tokenizer, self.settings)
        if feed == "steps":
            from recipe_runner.execute.tokenize.steps import StepTokenizer

            loss = self.steps or StepLoss()
            return StepTokenizer.of(
                self.tokenizer,
                self.settings,
                separator=loss.separator,
                last_step_only=loss.last_only,
            )
        return RowTokenizer.of(self.tokenizer, self.settings)

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
    if not rows:
        return Done(task.source, None, None, tally)
    batches = bench.columns.batch(rows), _numbers(rows, numbers, marks)
    return Done(task.source, *batches, tally, b"".join(signatures))


def _count(tally: Tally, row: Tokenized) -> None:
    tally.truncated_rows += row.truncated > 0
    tally.truncated_tokens += row.truncated
    tally.tokens += length_of(row)
    tally.trained_tokens += trained_of(row)
    tally.longest = max(tally.longest, length_of(row))


def mark_of(example: Example) -> bytes:
    """16 bytes that tell the content of an example: equal examples have equal marks."""
    text = json.dumps(example, sort_keys=True, ensure_ascii=False, default=repr)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def numbers_schema() -> pa.Schema:
    """Behind each prepared row: the row of its source it was made from, from 0, and its mark.

    `length`, `trained` and `truncated` are tokens: all that are left, those that train,
    those that were cut off.
    """
    import pyarrow as pa

    counts = dict.fromkeys(("length", "trained", "truncated"), pa.int32())
    return pa.schema({"row": pa.int64(), **counts, "mark": pa.binary(16)})


def _numbers(rows: list[Tokenized], numbers: list[int], marks: list[bytes]) -> pa.RecordBatch:
    import pyarrow as pa

    behind = [
        pa.array(numbers, pa.int64()),
        pa.array([length_of(row) for row in rows], pa.int32()),
        pa.array([trained_of(row) for row in rows], pa.int32()),
        pa.array([row.truncated for row in rows], pa.int32()),
        pa.array(marks, pa.binary(16)),
    ]
    return pa.record_batch(behind, numbers_schema())
