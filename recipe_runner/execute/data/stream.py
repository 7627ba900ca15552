"""Training rows that are read, tokenized and masked while the run goes.

Sources are repeated, mixed and shuffled by `datasets`, as rows that are not looked at;
what comes out is tokenized in small batches. The order depends on the seed and the epoch
alone: every process reads the same stream, and accelerate gives each its part of a batch,
so that a global batch has the same rows for any number of processes.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Features, IterableDataset, Value, concatenate_datasets, interleave_datasets

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data.build import is_weighted, settings_of
from recipe_runner.execute.data.columns import Columns
from recipe_runner.execute.data.receipt import SourceReceipt, receipt_of
from recipe_runner.execute.data.stream_rows import Part
from recipe_runner.execute.data.template import demand_readable
from recipe_runner.execute.data.work import Bench, Reader, Task, do
from recipe_runner.plan import DataPlan, Plan, SourcePlan
from recipe_runner.rows import RowProblem, findings
from recipe_runner.rows.codes.tokens import NO_ROWS_LEFT, NOTHING_TO_TRAIN
from recipe_runner.rows.row import Chunk, Located
from recipe_runner.rows.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerBase

_BATCH = 64
"""Rows that are tokenized together."""

_HOPELESS = 1000
"""Rows of a source, all left out, after which the run ends."""

_EVERY = 60.0
"""Seconds between two lines about what was read."""

Say = Callable[[str], None]


@dataclass
class _Held:
    """A few rows in memory, as a source."""

    rows: Sequence[Located] = ()
    chunks: Sequence[Chunk] = field(default=(), init=False)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, chunk: Chunk) -> Iterator[Located]:
        return iter(self.rows[chunk.start : chunk.stop])


class Stream(IterableDataset):
    """A `datasets.IterableDataset`, which TRL asks for, of `input_ids`, `labels`, `seq_lengths`.

    `tallies` count, for each source, what became of the rows of the current epoch. Raises
    `DiagnosticError` where a row cannot be used and the policy of its source is "error".
    """

    def __init__(
        self, plan: Plan, tokenizer: PreTrainedTokenizerBase, root: Path, say: Say | None = None
    ) -> None:
        demand_readable(plan, tokenizer)
        data, recipe = plan.data, plan.recipe_path
        parts = [
            Part.of(source, number, data.seed, root, recipe)
            for number, source in enumerate(data.train)
        ]
        self._mixed = _mixed(data, parts)
        super().__init__(self._mixed._ex_iterable)
        self._benches = [
            Bench(
                Reader(part.source, _Held()),
                tokenizer,
                settings_of(plan, part.source, part.number),
                Columns.of(plan, weighted=is_weighted(data)),
            )
            for part in parts
        ]
        self._recipe = recipe
        self._say = say
        self.tallies = [Tally() for _ in parts]

    @property
    def num_shards(self) -> int:
        """One: accelerate would give whole sources to processes otherwise."""
        return 1

    @property
    def n_shards(self) -> int:
        """The same, by its older name."""
        return 1

    def set_epoch(self, epoch: int) -> None:
        """Shuffle in the order of this epoch."""
        self._mixed.set_epoch(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.tallies = [Tally() for _ in self._benches]
        spoken = time.monotonic()
        records: Iterator[Mapping[str, Any]] = iter(self._mixed)
        while batch := list(islice(records, _BATCH)):
            for number, run in groupby(batch, key=lambda record: int(record["source"])):
                yield from self._tokens(number, [_row(record) for record in run])
            if self._say is not None and time.monotonic() - spoken > _EVERY:
                spoken = time.monotonic()
                self._say("; ".join(self.told()))
        if not any(tally.used for tally in self.tallies):
            sources = (bench.reader.source for bench in self._benches)
            raise DiagnosticError(
                *(
                    problem
                    for source, tally in zip(sources, self.tallies, strict=True)
                    for problem in findings.of(source, tally, self._recipe)
                )
            )

    def told(self) -> Iterator[str]:
        """A line for each source: how many rows were read, and why some were left out."""
        for bench, tally in zip(self._benches, self.tallies, strict=True):
            left = "; ".join(f"{f.rows:,} {reason}" for reason, f in sorted(tally.faults.items()))
            out = f", {tally.read - tally.used:,} left out ({left})" if left else ""
            cut = f", {tally.truncated_rows:,} truncated" if tally.truncated_rows else ""
            yield f"{bench.reader.source.path}: {tally.read:,} rows streamed{out}{cut}"

    def receipts(self) -> tuple[SourceReceipt, ...]:
        """What became of the rows of each source in the current epoch."""
        return tuple(
            receipt_of(tally, bench.reader.source.path, "train", tally.read)
            for bench, tally in zip(self._benches, self.tallies, strict=True)
        )

    def _tokens(self, number: int, rows: Sequence[Located]) -> Iterator[dict[str, Any]]:
        bench = self._benches[number]
        assert isinstance(bench.reader.rows, _Held)
        bench.reader.rows.rows = rows
        done = do([bench], Task(0, Chunk(0, len(rows))))
        self.tallies[number].add(done.tally)
        if done.tally.faults:
            self._demand_usable(bench.reader.source, self.tallies[number])
        if done.batch is not None:
            yield from _items(done.batch)

    def _demand_usable(self, source: SourcePlan, tally: Tally) -> None:
        """Raise what the policy of the source does not let pass."""
        problems = list(findings.of(source, tally, self._recipe))
        if tally.used or tally.read < _HOPELESS:
            # So early, "none of the rows" may still become "some of them".
            soft = source.on_bad_row.untrainable == "drop"
            problems = [
                problem
                for problem in problems
                if problem.code is not NO_ROWS_LEFT
                and not (soft and problem.code is NOTHING_TO_TRAIN)
            ]
        if problems:
            raise DiagnosticError(*problems)


def _mixed(data: DataPlan, parts: Sequence[Part]) -> IterableDataset:
    """Records of all sources in the order in which they train."""
    features = Features({"source": Value("int32"), "row": Value("large_binary")})
    records = [
        IterableDataset.from_generator(_records, features, gen_kwargs={"part": part})
        for part in parts
    ]
    records = [
        each if part.source.repeat == 1 else each.repeat(part.source.repeat)
        for each, part in zip(records, parts, strict=True)
    ]
    if len(records) == 1:
        mixed = records[0]
    elif data.mix_strategy == "concatenate":
        mixed = concatenate_datasets(records)
    else:
        given = [part.source.probability for part in parts]
        weights = [1.0 if weight is None else weight for weight in given]
        mixed = interleave_datasets(
            records,
            probabilities=None
            if all(weight is None for weight in given)
            else [weight / sum(weights) for weight in weights],
            seed=data.seed,
            stopping_strategy=data.mix_stopping,
        )
    return mixed.shuffle(seed=data.seed, buffer_size=data.shuffle_buffer) if data.shuffle else mixed


def _records(part: Part) -> Iterator[dict[str, Any]]:
    """Rows as bytes: `datasets` mixes tables, and rows need not have the same columns."""
    for where, row in part.rows():
        held = (row.reason, row.message) if isinstance(row, RowProblem) else dict(row)
        yield {"source": part.number, "row": pickle.dumps((where, held))}


def _row(record: Mapping[str, Any]) -> Located:
    where, held = pickle.loads(record["row"])
    return where, RowProblem(*held) if isinstance(held, tuple) else held


def _items(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    columns = [
        (name, array.offsets.to_numpy(), array.values.to_numpy())
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    ]
    for at in range(batch.num_rows):
        item = {name: values[offsets[at] : offsets[at + 1]] for name, offsets, values in columns}
        yield {**item, "seq_lengths": [len(item["input_ids"])]}
