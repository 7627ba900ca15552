"""The rows of a source one after the other, from wherever they are, without a copy on disk.

Text is read by our own reader, as when rows are prepared; tables and data sets of the hub
by `datasets` in its streaming mode.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from recipe_runner.components.base import create
from recipe_runner.components.source import Source
from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.codes import DATA_UNREADABLE
from recipe_runner.execute.data.hub import commit_of
from recipe_runner.execute.data.remote import file_system, found, trouble, unreachable
from recipe_runner.execute.data.sources import SOURCES, is_remote
from recipe_runner.execute.data.sql import rows_of_query
from recipe_runner.execute.data.tables import unreachable as hub_unreachable
from recipe_runner.plan import SourcePlan
from recipe_runner.rows.address import file_name, is_address
from recipe_runner.rows.packed import plain, unpacked
from recipe_runner.rows.row import Located, Where
from recipe_runner.rows.table import without_nulls


@dataclass(frozen=True)
class Part:
    """A source of a stream, at place `number` of the plan, and what reading it needs."""

    source: SourcePlan
    number: int
    seed: int
    root: Path
    recipe: str

    @classmethod
    def of(cls, source: SourcePlan, number: int, seed: int, root: Path, recipe: str) -> Part:
        """Find out what the source means today: the commit of a hub data set, the files of a pattern."""
        kind: Source = create(SOURCES, {"type": source.loader, **_options(source)})
        if kind.connects:
            rows = rows_of_query(source, root, recipe)
            source = replace(source, loader="arrow", loader_options={}, files=(rows,))
        elif is_remote(source):
            source = replace(source, revision=commit_of(source, root, recipe))
        else:
            files = (name for file in source.files for name in _names(file, source, recipe))
            source = replace(source, files=tuple(files))
        return cls(source, number, seed, root, recipe)

    def rows(self) -> Iterator[Located]:
        """The rows that are used, after `limit` and `fraction_of_rows`.

        A fraction of a stream keeps or leaves each row by its number, so it is about that
        fraction. Reports RR403, RR426, RR428, RR435, RR436 and RR439.
        """
        taken = islice(self._all(), self.source.limit)
        fraction = self.source.fraction_of_rows
        if fraction is None or fraction >= 1:
            return taken
        return (row for row in taken if self._drawn(row[0].number) < fraction)

    def _drawn(self, number: int) -> float:
        text = f"{self.seed} {self.number} {number}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / (1 << 64)

    def _all(self) -> Iterator[Located]:
        if is_remote(self.source):
            return self._of_hub()
        kind: Source = create(SOURCES, {"type": self.source.loader, **self.source.loader_options})
        walked = kind.walk(self.source.files, self._open)
        return self._of_table() if walked is None else self._fetched(walked)

    @contextmanager
    def _open(self, file: str) -> Iterator[BinaryIO]:
        if not is_address(file):
            with plain(file) as content:
                yield content
            return
        system, path = file_system(file, self.recipe)
        with system.open(path, "rb") as raw:
            # Readers look ahead for a byte order mark, which files of stores cannot.
            buffered = io.BufferedReader(raw)
            with unpacked(buffered, file_name(file)) as content:
                yield content

    def _fetched(self, rows: Iterator[Located]) -> Iterator[Located]:
        if not any(map(is_address, self.source.files)):
            yield from rows
            return
        try:
            yield from rows
        except trouble() as error:
            raise DiagnosticError(unreachable(self.source.path, self.recipe, error)) from error

    def _of_table(self) -> Iterator[Located]:
        from datasets import load_dataset

        return self._loaded(
            lambda: load_dataset(
                self.source.loader,
                data_files=list(self.source.files),
                split="train",
                streaming=True,
            )
        )

    def _of_hub(self) -> Iterator[Located]:
        from datasets import load_dataset

        source = self.source
        return self._loaded(
            lambda: load_dataset(
                source.path,
                name=source.name,
                revision=source.revision,
                data_files=source.loader_options.get("data_files"),
                split=source.split,
                streaming=True,
            )
        )

    def _loaded(self, load: Any) -> Iterator[Located]:
        from pyarrow import ArrowException

        try:
            for number, row in enumerate(load(), 1):
                yield Where(number), {name: without_nulls(value) for name, value in row.items()}
        except (ArrowException, ValueError, RuntimeError) as error:
            raise DiagnosticError(
                Diagnostic(
                    DATA_UNREADABLE,
                    f"`{self.source.path}` cannot be read as {self.source.loader}: "
                    f"{(str(error).strip() or type(error).__name__).splitlines()[0]}",
                    Place(self.source.files[0] if self.source.files else self.recipe),
                    "write the data again, or look at its names (`name`) and splits (`split`)",
                )
            ) from error
        except trouble() as error:
            told = hub_unreachable(self.source, self.recipe, error)
            if not is_remote(self.source):
                told = unreachable(self.source.path, self.recipe, error)
            raise DiagnosticError(told) from error


def _options(source: SourcePlan) -> dict[str, Any]:
    return {} if is_remote(source) else dict(source.loader_options)


def _names(file: str, source: SourcePlan, recipe: str) -> Iterator[str]:
    """The file, or the addresses that an address stands for."""
    if not is_address(file):
        yield file
        return
    system, path = file_system(file, recipe)
    try:
        for name in found(system, path, file, source):
            yield system.unstrip_protocol(name)
    except trouble() as error:
        raise DiagnosticError(unreachable(file, recipe, error)) from error
