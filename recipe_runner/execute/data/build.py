"""Builds prepared data: one pass over the rows of all sources, written as Arrow.
`layout.py` says which files an entry has.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.arrange import arrange, signs
from recipe_runner.execute.data.cache import Entry, Store
from recipe_runner.execute.data.codes import DATA_UNREADABLE, PREPARATION_KILLED
from recipe_runner.execute.data.columns import Columns
from recipe_runner.execute.data.hashes import stamps
from recipe_runner.execute.data.key import Key
from recipe_runner.execute.data.layout import arrow_writer, numbers_name, tokens_name
from recipe_runner.execute.data.packing import pack
from recipe_runner.execute.data.pool import WorkerKilledError, each, processes_for
from recipe_runner.execute.data.receipt import Role, receipt_of
from recipe_runner.execute.data.shares import counted
from recipe_runner.execute.data.sources import chosen, is_remote, open_rows
from recipe_runner.execute.data.template import demand_readable
from recipe_runner.execute.data.work import Bench, Reader, Task, numbers_schema
from recipe_runner.execute.tokenize import TokenizeSettings
from recipe_runner.execute.vision import ImageFolder, image_base, load_processor
from recipe_runner.execute.vision.images import FOLDER as IMAGES
from recipe_runner.plan import DataPlan, Plan, SourcePlan
from recipe_runner.rows import findings
from recipe_runner.rows.tally import Tally

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_WORK = "work"
_SIGNATURES = "signatures"
_SPLITTING = ("bfd_split", "wrapped")
"""Packing strategies that cut long rows up without losing a token: nothing to truncate."""


class ProgressSink(Protocol):
    """Is told how many of the rows that were chosen are done."""

    def __call__(self, done: int, total: int) -> None: ...


def build(
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    store: Store,
    key: Key,
    contents: Sequence[Sequence[str]],
    marks: Mapping[str, str],
    progress: ProgressSink | None,
) -> Entry:
    """Build the entry of `key`, whose lock the caller holds.

    `contents` are the hashes of each source's files, or the commit of a hub data set;
    `marks` is what `marks_of` said before they were taken.
    Raises `DiagnosticError` with all findings; nothing stays behind then.
    """
    sources = (*plan.data.train, *plan.data.eval)
    demand_readable(plan, tokenizer)
    folder = store.begin(key.text)
    try:
        benches = [
            bench_of(plan, source, number, tokenizer, store, folder / _WORK, contents[number])
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
        _refuse_changes(sources, marks)
        signatures = folder / _WORK / _SIGNATURES
        repeated = arrange(plan, folder, [tally.rows for tally in tallies], signatures)
        receipts = [
            receipt_of(
                tally,
                bench.reader.source.path,
                _role(plan, number),
                len(bench.reader.rows),
                repeated[number],
            )
            for number, (bench, tally) in enumerate(zip(benches, tallies, strict=True))
        ]
        packs = {role: asdict(found) for role, found in pack(plan, folder).items()}
        shutil.rmtree(folder / _WORK, ignore_errors=True)
        notes = {
            "processes": processes,
            "sources": [asdict(receipt) for receipt in receipts],
            "packs": packs,
            "epoch": _epoch(plan, folder),
        }
        return store.commit(key.text, notes, key.parts, _about(plan))
    finally:
        store.abandon(key.text)


def _epoch(plan: Plan, folder: Path) -> dict[str, int]:
    """The tokens of an epoch, and those that train: each row as often as it is drawn."""
    found = counted(plan, folder)
    return {
        "tokens": sum(each.tokens for each in found),
        "trained_tokens": sum(each.trained_tokens for each in found),
    }


def _about(plan: Plan) -> dict[str, Any]:
    """Who the entry was built for, for people who look at the cache."""
    sources = [source.path for source in (*plan.data.train, *plan.data.eval)]
    return {"recipe": plan.recipe_path, "name": plan.name, "sources": sources}


def _role(plan: Plan, number: int) -> Role:
    return "train" if number < len(plan.data.train) else "eval"


def bench_of(
    plan: Plan,
    source: SourcePlan,
    number: int,
    tokenizer: PreTrainedTokenizerBase,
    store: Store,
    work: Path,
    content: Sequence[str],
    *,
    head: bool = False,
) -> Bench:
    """The source at place `number` (training, then evaluation) with its tokenizing.

    What has to be written to read it goes to `work`; `content` is as for `build`. With
    `head` only the first rows of files are looked for, for a look.
    """
    commit = content[0] if is_remote(source) else None
    kept = work / str(number) if commit is None else store.root / "hub"
    rows = open_rows(source, kept, revision=commit, recipe=plan.recipe_path, head=head)
    reader = Reader(source, rows)
    settings = settings_of(plan, source, number)
    columns = Columns.of(plan, weighted=is_weighted(plan.data))
    bench = Bench(reader, tokenizer, settings, columns, signs(plan.data), plan.data.steps)
    if plan.model.sees:
        bench.processor = load_processor(plan, tokenizer)
        bench.images = ImageFolder(image_base(source), work.parent / IMAGES)
    return bench


def settings_of(plan: Plan, source: SourcePlan, number: int) -> TokenizeSettings:
    """How rows of the source at place `number` (training, then evaluation) become tokens."""
    data = plan.data
    packing = data.packing if _role(plan, number) == "train" else data.eval_packing
    cut_later = packing in _SPLITTING and data.overlong == "truncate"
    return TokenizeSettings(
        loss=source.loss,
        max_length=None if cut_later else data.max_length,
        overlong=data.overlong,
        chat_template=plan.tokenizer.chat_template,
        chat_template_kwargs=plan.tokenizer.chat_template_kwargs,
        truncation_mode=data.truncation_mode,
        not_rendered=source.on_bad_row.not_rendered,
    )


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
    schema = Columns.of(plan, weighted=is_weighted(plan.data)).schema
    with ExitStack() as stack:
        tokens = [arrow_writer(stack, folder / tokens_name(n), schema) for n in range(len(benches))]
        numbers = [
            arrow_writer(stack, folder / numbers_name(n), numbers_schema())
            for n in range(len(benches))
        ]
        (folder / _WORK).mkdir(exist_ok=True)
        # Read again before the entry is complete, and not kept.
        signatures = stack.enter_context((folder / _WORK / _SIGNATURES).open("wb"))
        try:
            for result in each(benches, tasks, processes):
                if result.batch is not None:
                    tokens[result.source].write_batch(result.batch)
                    numbers[result.source].write_batch(result.numbers)
                    signatures.write(result.signatures)
                tallies[result.source].add(result.tally)
                done += result.tally.read
                if progress is not None:
                    progress(done, total)
        except WorkerKilledError as error:
            raise DiagnosticError(_killed(plan, processes)) from error
    return tallies, processes


def marks_of(sources: Sequence[SourcePlan]) -> dict[str, str]:
    """What the file system says about the files of all sources."""
    return stamps(file for source in sources if not is_remote(source) for file in source.files)


def _refuse_changes(sources: Sequence[SourcePlan], before: Mapping[str, str]) -> None:
    # From before the hashes were taken: the key names them, whatever was read since.
    after = marks_of(sources)
    for file in after.keys() | before.keys():
        if after.get(file) != before.get(file):
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


def is_weighted(data: DataPlan) -> bool:
    """True where tokens may train with different weights, so that the weights are written."""
    sources = (*data.train, *data.eval)
    return any(source.loss.weights or source.format.options.get("weight_key") for source in sources)
