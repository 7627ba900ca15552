"""The rows of a query, through `datasets`, as an Arrow file in the cache.

For an SQLite file they are kept until the file changes. Other databases cannot say
whether they changed: they are asked again, and the rows themselves tell.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute import atomic
from recipe_runner.execute.data.codes import SOURCE_UNREACHABLE
from recipe_runner.execute.data.hashes import FileHashes, stamp
from recipe_runner.plan import SourcePlan
from recipe_runner.rows.address import BY_NAME, SQLITE
from recipe_runner.rows.codes.archives import ARCHIVE_PACKAGE_MISSING

_ROWS = "rows.arrow"


def rows_of_query(source: SourcePlan, root: Path, recipe: str) -> str:
    """An Arrow file with the rows that the query of `source` gives.

    Reports RR436 where a package is missing and RR439 where the database is out of reach or
    refuses the query.
    """
    query, address = str(source.loader_options["query"]), source.files[0]
    folder = root / "sql"
    folder.mkdir(parents=True, exist_ok=True)
    if address.startswith(SQLITE):
        file = folder / _short(query, address, *_stamps(address)) / _ROWS
        if not file.is_file():
            _ask(query, address, source, folder, recipe).replace(_made(file))
        return str(file)
    known = folder / f"{_short(query, address)}.json"
    # A process beside others takes the rows that the first one got.
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and known.is_file():
        return str(json.loads(known.read_bytes())["file"])
    rows = _ask(query, address, source, folder, recipe)
    file = folder / FileHashes(root).of([str(rows)])[0][:32] / _ROWS
    rows.replace(_made(file))
    atomic.write_json(known, {"file": str(file)})
    return str(file)


def _ask(query: str, address: str, source: SourcePlan, folder: Path, recipe: str) -> Path:
    from datasets import Dataset
    from datasets.exceptions import DatasetGenerationError

    with tempfile.TemporaryDirectory(dir=folder) as work:
        try:
            with _connected(address, source, recipe) as connection:
                rows = Dataset.from_sql(query, connection, cache_dir=work, coerce_float=False)
        except DatasetGenerationError as error:
            cause = error.__cause__ or error
            raise DiagnosticError(_refused(source, recipe, str(cause))) from error
        (made,) = rows.cache_files
        kept = folder / f"{Path(work).name}.arrow"
        Path(made["filename"]).replace(kept)
    return kept


@contextmanager
def _connected(address: str, source: SourcePlan, recipe: str) -> Iterator[Any]:
    """A connection on which nothing is ever committed."""
    address = _address(address, recipe)
    if address.startswith(SQLITE):
        name = quote(address[len(SQLITE) :])
        try:
            connection = sqlite3.connect(f"file:{name}?mode=ro", uri=True)
        except sqlite3.Error as error:
            raise DiagnosticError(_refused(source, recipe, str(error))) from error
        try:
            yield connection
        finally:
            connection.close()
        return
    if find_spec("sqlalchemy") is None:
        raise DiagnosticError(_missing(source, recipe, "SQLAlchemy"))
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(address)
        with engine.connect() as opened:
            # A reader that finds no transaction begins one of its own, and commits it.
            transaction = opened.begin()
            try:
                yield opened
            finally:
                transaction.rollback()
    except ModuleNotFoundError as error:
        raise DiagnosticError(_missing(source, recipe, str(error.name))) from error
    except SQLAlchemyError as error:
        raise DiagnosticError(_refused(source, recipe, str(error))) from error


def _address(address: str, recipe: str) -> str:
    if not address.startswith(BY_NAME):
        return address
    name = address[len(BY_NAME) :]
    value = os.environ.get(name)
    if value is None:
        raise DiagnosticError(
            Diagnostic(
                SOURCE_UNREACHABLE,
                f"`{address}` names the environment variable {name}, which is not set",
                Place(recipe),
                f"export {name} with the address of the database",
            )
        )
    return value


def _stamps(address: str) -> Iterator[str]:
    """What the file system says about an SQLite file and the log of its last changes."""
    file = address[len(SQLITE) :]
    yield from (stamp(name) for name in (file, f"{file}-wal") if Path(name).exists())


def _made(file: Path) -> Path:
    file.parent.mkdir(exist_ok=True)
    return file


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _missing(source: SourcePlan, recipe: str, package: str) -> Diagnostic:
    return Diagnostic(
        ARCHIVE_PACKAGE_MISSING,
        f"the database `{source.path}` is read with the package {package}, which is not installed",
        Place(recipe),
        f"pip install {package}",
    )


def _refused(source: SourcePlan, recipe: str, said: str) -> Diagnostic:
    return Diagnostic(
        SOURCE_UNREACHABLE,
        f"the database `{source.path}` does not give the rows of the query: {said.splitlines()[0]}",
        Place(recipe),
        "check the address, and run the query with the database's own program",
    )
