"""Makes sure that the prepared data of a plan are in the cache: the stage before a run.

A hit looks at the files' marks and at a manifest, and needs neither the tokenizer nor any
of the training libraries.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.build import ProgressSink, build, marks_of
from recipe_runner.execute.data.cache import Entry, Store, cache_root
from recipe_runner.execute.data.codes import CACHE_UNUSABLE, DATA_UNREADABLE
from recipe_runner.execute.data.explain import Explanation, explain
from recipe_runner.execute.data.hashes import FileHashes
from recipe_runner.execute.data.hub import commit_of
from recipe_runner.execute.data.identity import PlannedTokenizer
from recipe_runner.execute.data.key import Key, key_of
from recipe_runner.execute.data.remote import at_hand
from recipe_runner.execute.data.sources import is_remote
from recipe_runner.plan import Plan, SourcePlan
from recipe_runner.rows.codes.files import DATA_NOT_FOUND

if TYPE_CHECKING:
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

Told = Callable[[Explanation], None]
"""Is told, before anything is prepared, whether and why it has to be."""


@dataclass(frozen=True)
class Ensured:
    """An entry that is whole, why it was found or not, and what finding or building it took.

    `contents` has, for each source (training, then evaluation), the hashes of its files,
    or the commit of its hub data set. `cached` is True where another process built it.
    """

    entry: Entry
    key: Key
    contents: tuple[tuple[str, ...], ...]
    explanation: Explanation
    cached: bool
    seconds: float


def ensure(
    plan: Plan,
    read: Callable[[], PreTrainedTokenizerBase],
    *,
    progress: ProgressSink | None = None,
    told: Told | None = None,
) -> Ensured:
    """Find the data of `plan` in the cache, or prepare them.

    `read` loads the plan's tokenizer where that is needed. Raises `DiagnosticError` as
    `prepare` does.
    """
    started = time.perf_counter()
    store = Store(cache_root())
    with writing(store):
        plan = at_hand(plan, store.root)
    sources = (*plan.data.train, *plan.data.eval)
    tokenizer = PlannedTokenizer(plan.tokenizer, store.root / "tokenizers", read)
    marks = marks_of(sources)
    with writing(store):
        contents = [content_of(source, store, plan) for source in sources]
        key = key_of(plan, tokenizer.parts(), contents)
    explanation = explain(store, key, plan.recipe_path, [source.path for source in sources])
    if told is not None:
        told(explanation)
    entry = store.find(key.text)
    cached = entry is not None
    if entry is None:
        with writing(store), store.locked(key.text):
            entry = store.find(key.text)
            cached = entry is not None
            if entry is None:
                entry = build(plan, tokenizer.loaded, store, key, contents, marks, progress)
    return Ensured(
        entry,
        key,
        tuple(map(tuple, contents)),
        explanation,
        cached,
        time.perf_counter() - started,
    )


def content_of(source: SourcePlan, store: Store, plan: Plan) -> list[str]:
    """The hashes of the source's files, or the commit of its hub data set."""
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
def writing(store: Store) -> Iterator[None]:
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
