"""Builds prepared data: one pass over the rows of all sources, written as Arrow.

The folder holds, for each source, its tokens (`tokens-N.arrow`) and the numbers of the
rows that they were made from (`rows-N.arrow`); and where rows are drawn, the order of
training rows and of evaluation rows as numbers.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.cache import Entry, Store
from recipe_runner.execute.data.codes import DATA_UNREADABLE, PREPARATION_KILLED
from recipe_runner.execute.data.hashes import stamp
from recipe_runner.execute.data.mixing import held_out, order
from recipe_runner.execute.data.pool import WorkerKilledError, each, processes_for
from recipe_runner.execute.data.receipt import Role, receipt_of
from recipe_runner.execute.data.sources import chosen, is_remote, open_rows
from recipe_runner.execute.data.template import demand_readable
from recipe_runner.execute.data.work import Bench, Reader, Task, numbers_schema, tokens_schema
from recipe_runner.execute.tokenize import TokenizeSettings
from recipe_runner.plan import Plan, SourcePlan
from recipe_runner.rows import findings
from recipe_runner.rows.codes.tokens import NO_ROWS_LEFT
from recipe_runner.rows.tally import Tally

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from transformers import PreTrainedTokenizerBase

TRAIN = "train.order.arrow"
EVAL = "eval.order.arrow"
_WORK = "work"
_SPLITTING = ("bfd_split", "wrapped")
"""Packing strategies that cut long rows up without losing a token: nothing to truncate."""


class ProgressSink(Protocol):
    """Is told how many of the rows that were chosen are done."""

    def __call__(self, done: int, total: int) -> None: ...


def tokens_name(source: int) -> str:
    """The file with the tokens of a source, by its place in the plan."""
    return f"tokens-{source}.arrow"


def numbers_name(source: int) -> str:
    """The file with the numbers of the rows behind the tokens of a source, from 0."""
    return f"rows-{source}.arrow"


def build(
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    store: Store,
    key: str,
    contents: Sequence[Sequence[str]],
    progress: ProgressSink | None,
) -> Entry:
    """Build the entry of `key`, whose lock the caller holds.

    `contents` are the hashes of each source's files, or the commit of a hub data set.
    Raises `DiagnosticError` with all findings; nothing stays behind then.
    """
    sources = (*plan.data.train, *plan.data.eval)
    demand_readable(plan, tokenizer)
    folder = store.begin(key)
    try:
        before = _stamps(sources)
        benches = [
            _bench(plan, source, number, tokenizer, store, folder / _WORK, contents[number])
            for number, source in enumerate(sources)
        ]
        tallies, processes = _tokenize(plan, benches, folder, progress)
        problems = [
            problem
            for source, tally in zip(sources, tallies, strict=True)
            for problem in findings.of(source, tally, plan.recipe_path)
        ]
        if problems:
            raise DiagnosticError(*problems)
        _refuse_changes(sources, before)
        _draw(plan, [tally.used for tally in tallies[: len(plan.data.train)]], folder)
        receipts = [
            receipt_of(tally, bench.reader.source.path, _role(plan, number), len(bench.reader.rows))
            for number, (bench, tally) in enumerate(zip(benches, tallies, strict=True))
        ]
        shutil.rmtree(folder / _WORK, ignore_errors=True)
        notes = {"processes": processes, "sources": [asdict(receipt) for receipt in receipts]}
        return store.commit(key, notes)
    finally:
        store.abandon(key)


def _role(plan: Plan, number: int) -> Role:
    return "train" if number < len(plan.data.train) else "eval"


def _bench(
    plan: Plan,
    source: SourcePlan,
    number: int,
    tokenizer: PreTrainedTokenizerBase,
    store: Store,
    work: Path,
    content: Sequence[str],
) -> Bench:
    commit = content[0] if is_remote(source) else None
    kept = work / str(number) if commit is None else store.root / "hub"
    reader = Reader(source, open_rows(source, kept, revision=commit, recipe=plan.recipe_path))
    data = plan.data
    packing = data.packing if _role(plan, number) == "train" else data.eval_packing
    cut_later = packing in _SPLITTING and data.overlong == "truncate"
    settings = TokenizeSettings(
        loss_on=source.loss_on,
        max_length=None if cut_later else data.max_length,
        overlong=data.overlong,
        chat_template=plan.tokenizer.chat_template,
        chat_template_kwargs=plan.tokenizer.chat_template_kwargs,
        truncation_mode=data.truncation_mode,
    )
    return Bench(reader, tokenizer, settings)


def _tasks(number: int, reader: Reader, seed: int) -> Iterator[Task]:
    wanted = chosen(reader.source, len(reader.rows), seed)
    for chunk in reader.rows.chunks:
        if wanted is None:
            yield Task(number, chunk)
            continue
        first, last = (int(wanted.searchsorted(row)) for row in (chunk.start, chunk.stop))
        if last > first:
            yield Task(number, chunk, wanted[first:last])


def _tokenize(
    plan: Plan, benches: Sequence[Bench], folder: Path, progress: ProgressSink | None
) -> tuple[list[Tally], int]:
    tasks = [t for n, bench in enumerate(benches) for t in _tasks(n, bench.reader, plan.data.seed)]
    total = sum(
        len(t.wanted) if t.wanted is not None else t.chunk.stop - t.chunk.start for t in tasks
    )
    processes = processes_for(len(tasks), plan.data.num_proc)
    tallies = [Tally() for _ in benches]
    done = 0
    with ExitStack() as stack:
        tokens = [
            _writer(stack, folder / tokens_name(n), tokens_schema()) for n in range(len(benches))
        ]
        numbers = [
            _writer(stack, folder / numbers_name(n), numbers_schema()) for n in range(len(benches))
        ]
        try:
            for result in each(benches, tasks, processes):
                if result.batch is not None:
                    tokens[result.source].write_batch(result.batch)
                    numbers[result.source].write_batch(result.numbers)
                tallies[result.source].add(result.tally)
                done += result.tally.read
                if progress is not None:
                    progress(done, total)
        except WorkerKilledError as error:
            raise DiagnosticError(_killed(plan, processes)) from error
    return tallies, processes


def _writer(stack: ExitStack, path: Path, schema: pa.Schema) -> Any:
    import pyarrow as pa

    file = stack.enter_context(pa.OSFile(str(path), "wb"))
    return stack.enter_context(pa.ipc.new_stream(file, schema))


def _draw(plan: Plan, lengths: Sequence[int], folder: Path) -> None:
    """Write the order of training and evaluation rows, where it is not that of the tokens."""
    data, out = plan.data, None
    if data.eval_split is not None:
        out = held_out(sum(lengths), data.eval_split, data.seed)
        if out is None:
            raise DiagnosticError(
                Diagnostic(
                    NO_ROWS_LEFT,
                    f"`data.eval.split` is {data.eval_split}, which leaves none of the "
                    f"{sum(lengths)} rows to train on",
                    Place(plan.recipe_path),
                    "hold out fewer rows",
                )
            )
        _write_numbers(out, folder / EVAL)
    ordered = order(data, lengths, out)
    if ordered is not None:
        _write_numbers(ordered, folder / TRAIN)


def _write_numbers(numbers: np.ndarray[Any, Any], path: Path) -> None:
    import pyarrow as pa

    with ExitStack() as stack:
        schema = pa.schema({"indices": pa.uint64()})
        _writer(stack, path, schema).write_table(
            pa.table([pa.array(numbers, pa.uint64())], schema=schema), max_chunksize=1 << 20
        )


def _stamps(sources: Sequence[SourcePlan]) -> dict[str, str]:
    local = (source for source in sources if not is_remote(source))
    return {file: stamp(file) for source in local for file in source.files}


def _refuse_changes(sources: Sequence[SourcePlan], before: dict[str, str]) -> None:
    after = _stamps(sources)
    for file, mark in before.items():
        if after[file] != mark:
            raise DiagnosticError(
                Diagnostic(
                    DATA_UNREADABLE,
                    "the file was changed while it was read, so its rows are of two versions",
                    Place(file),
                    "let the program that writes it finish, then run again",
                )
            )


def _killed(plan: Plan, processes: int) -> Diagnostic:
    return Diagnostic(
        PREPARATION_KILLED,
        f"one of the {processes} processes that prepare the data was killed",
        Place(plan.recipe_path),
        "most often memory ran out: run with fewer processes (`data.num_proc`), or look for "
        "very long rows",
    )
