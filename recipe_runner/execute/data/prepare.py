"""Prepares the data of a plan: rows become tokens once, and are found again by content.

One pass reads, formats, tokenizes, masks and drops. Memory does not grow with the
number of rows but for 8 bytes a row where rows are drawn (splits, fractions, mixes).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.build import ProgressSink, build
from recipe_runner.execute.data.cache import Entry, Store, cache_root
from recipe_runner.execute.data.codes import CACHE_UNUSABLE, DATA_UNREADABLE
from recipe_runner.execute.data.hashes import FileHashes
from recipe_runner.execute.data.hub import commit_of
from recipe_runner.execute.data.key import digest, key_of
from recipe_runner.execute.data.layout import EVAL, TRAIN, tokens_name
from recipe_runner.execute.data.receipt import Receipt, source_receipt
from recipe_runner.execute.data.sources import is_remote
from recipe_runner.plan import Plan, SourcePlan
from recipe_runner.rows.codes.files import DATA_NOT_FOUND

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

_UNWRITABLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
)


@dataclass(frozen=True)
class Prepared:
    """Memory-mapped rows with the columns `input_ids` and `labels`, and their receipt.

    `contents` has, for each source (training, then evaluation), the hashes of its files,
    or the commit of its hub data set.
    """

    train: Dataset
    eval: Dataset | None
    receipt: Receipt
    folder: Path
    contents: tuple[tuple[str, ...], ...]


def prepare(
    plan: Plan, tokenizer: PreTrainedTokenizerBase, *, progress: ProgressSink | None = None
) -> Prepared:
    """Prepare the data of `plan`, or find them in the cache.

    Raises `DiagnosticError`: RR401 to RR406 for files and rows that cannot be read,
    RR420 to RR429 for what only tokenizing finds. All findings come together.
    """
    started = time.perf_counter()
    store = Store(cache_root())
    sources = (*plan.data.train, *plan.data.eval)
    with _writing(store):
        contents = [_content(source, store, plan) for source in sources]
    key = key_of(plan, tokenizer, contents)
    entry = store.find(key)
    cached = entry is not None
    if entry is None:
        with _writing(store), store.locked(key):
            entry = store.find(key)
            cached = entry is not None
            if entry is None:
                entry = build(plan, tokenizer, store, key, contents, progress)
    train, evaluation = _open(plan, entry, key)
    hashes = tuple(map(tuple, contents))
    receipt = _receipt(plan, entry, key, hashes, (train, evaluation), cached, started)
    return Prepared(train, evaluation, receipt, entry.folder, hashes)


def _content(source: SourcePlan, store: Store, plan: Plan) -> list[str]:
    if is_remote(source):
        return [commit_of(source, store.root, plan.recipe_path)]
    hashes = FileHashes(store.root)
    try:
        found = hashes.of(source.files)
    except FileNotFoundError as error:
        raise DiagnosticError(
            Diagnostic(
                DATA_NOT_FOUND,
                f"`{source.path}` does not exist: there is no file {error.filename}",
                Place(plan.recipe_path),
                "name a file that exists, seen from the recipe's folder",
            )
        ) from error
    except OSError as error:
        raise DiagnosticError(
            Diagnostic(
                DATA_UNREADABLE,
                f"`{source.path}` cannot be read: {error.strerror}",
                Place(str(error.filename)),
                "look at the file's permissions and at the disk",
            )
        ) from error
    hashes.keep()
    return found


@contextmanager
def _writing(store: Store) -> Iterator[None]:
    """Report RR430 where the cache cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise DiagnosticError(
            Diagnostic(
                CACHE_UNUSABLE,
                f"prepared data cannot be written to the cache: {os.strerror(error.errno)}",
                Place(str(store.root)),
                "free space, or name another folder with the environment variable "
                "`RECIPE_RUNNER_CACHE`",
            )
        ) from error


def _open(plan: Plan, entry: Entry, key: str) -> tuple[Dataset, Dataset | None]:
    count = len(plan.data.train)
    train = _map(entry.folder, range(count), TRAIN, key)
    if plan.data.eval:
        return train, _map(entry.folder, range(count, count + len(plan.data.eval)), None, key)
    if plan.data.eval_split is not None:
        return train, _map(entry.folder, range(count), EVAL, key)
    return train, None


def _receipt(
    plan: Plan,
    entry: Entry,
    key: str,
    contents: tuple[tuple[str, ...], ...],
    rows: tuple[Dataset, Dataset | None],
    cached: bool,
    started: float,
) -> Receipt:
    train, evaluation = rows
    return Receipt(
        key=key,
        content=digest(contents),
        sources=tuple(
            source_receipt(notes, source.path)
            for notes, source in zip(
                entry.notes["sources"], (*plan.data.train, *plan.data.eval), strict=True
            )
        ),
        train_rows=len(train),
        eval_rows=0 if evaluation is None else len(evaluation),
        cached=cached,
        processes=entry.notes["processes"],
        seconds=time.perf_counter() - started,
    )


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
