"""Prepares the data of a plan: rows become tokens once, and are found again by content.

One pass reads, formats, tokenizes, masks and drops. Memory does not grow with the
number of rows but for 8 bytes a row where rows are drawn (splits, fractions, mixes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.data.build import ProgressSink
from recipe_runner.execute.data.cache import Entry
from recipe_runner.execute.data.ensure import Ensured, Told, ensure
from recipe_runner.execute.data.key import digest
from recipe_runner.execute.data.layout import EVAL, TRAIN, tokens_name
from recipe_runner.execute.data.receipt import PackReceipt, Receipt, Role, source_receipt
from recipe_runner.execute.data.soundness import demand_sound
from recipe_runner.plan import Plan

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Prepared:
    """Memory-mapped rows with the columns `input_ids` and `labels`, and their receipt.

    `contents` has, for each source (training, then evaluation), the hashes of its files,
    or the commit of its hub data set. `entry` keeps the files from being removed.
    """

    train: Dataset
    eval: Dataset | None
    receipt: Receipt
    folder: Path
    contents: tuple[tuple[str, ...], ...]
    entry: Entry


def prepare(
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    *,
    progress: ProgressSink | None = None,
    told: Told | None = None,
) -> Prepared:
    """Prepare the data of `plan`, or find them in the cache, and map them.

    Raises `DiagnosticError`: RR401 to RR406 for files and rows that cannot be read,
    RR420 to RR429 for what only tokenizing finds, RR455 where the cache is damaged. All
    findings of the rows come together.
    """
    ensured = ensure(plan, lambda: tokenizer, progress=progress, told=told)
    entry = ensured.entry
    train, evaluation = _open(plan, entry, ensured.key.text)
    return Prepared(
        train, evaluation, receipt(plan, ensured), entry.folder, ensured.contents, entry
    )


def receipt(plan: Plan, ensured: Ensured) -> Receipt:
    """What became of all rows, from what the builder of the entry noted."""
    notes = ensured.entry.notes
    sources = (*plan.data.train, *plan.data.eval)
    train, evaluation = _counts(plan, ensured.entry)
    return Receipt(
        key=ensured.key.text,
        content=digest(ensured.contents),
        sources=tuple(
            source_receipt(each, source.path)
            for each, source in zip(notes["sources"], sources, strict=True)
        ),
        train_rows=train,
        eval_rows=evaluation,
        train_tokens=notes["epoch"]["tokens"],
        trained_tokens=notes["epoch"]["trained_tokens"],
        cached=ensured.cached,
        processes=notes["processes"],
        seconds=ensured.seconds,
        train_packs=_packs(notes, "train"),
        eval_packs=_packs(notes, "eval"),
    )


def _packs(notes: Mapping[str, Any], role: Role) -> PackReceipt | None:
    found = notes["packs"].get(role)
    return None if found is None else PackReceipt(**found)


def _counts(plan: Plan, entry: Entry) -> tuple[int, int]:
    """Rows to train and to evaluate on, without opening a file."""
    files, count = entry.manifest.files, len(plan.data.train)

    def rows(sources: range, drawn: str) -> int:
        names = [drawn] if drawn in files else [tokens_name(number) for number in sources]
        return sum(int(files[name]["rows"]) for name in names)

    if plan.data.eval:
        return rows(range(count), TRAIN), rows(range(count, count + len(plan.data.eval)), EVAL)
    return rows(range(count), TRAIN), int(files[EVAL]["rows"]) if EVAL in files else 0


def _open(plan: Plan, entry: Entry, key: str) -> tuple[Dataset, Dataset | None]:
    demand_sound(entry)
    count = len(plan.data.train)
    train = _map(entry.folder, range(count), TRAIN, key)
    if plan.data.eval:
        return train, _map(entry.folder, range(count, count + len(plan.data.eval)), None, key)
    if plan.data.eval_split is not None:
        return train, _map(entry.folder, range(count), EVAL, key)
    return train, None


def _map(folder: Path, sources: range, drawn: str | None, key: str) -> Dataset:
    """Map the tokens of `sources`, in the order of the file `drawn` where there is one."""
    from datasets import Dataset
    from datasets.table import MemoryMappedTable, concat_tables

    tables = [MemoryMappedTable.from_file(str(folder / tokens_name(n))) for n in sources]
    indices = None
    if drawn is not None and (folder / drawn).exists():
        indices = MemoryMappedTable.from_file(str(folder / drawn))
    # The fingerprint is the content's: what is computed from these rows is cached as well.
    return Dataset(
        concat_tables(tables),
        indices_table=indices,
        fingerprint=f"{key[:32]}-{drawn or sources.start}".replace(".", "-"),
    )
