"""Looks at the files of an entry: at once where it is opened, and thoroughly on request.

The quick look reads where each batch of rows begins and ends, not the rows. It finds what
would crash a reader; only the hashes find a changed token.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute.data.cache import Entry, Manifest, sha256_of
from recipe_runner.execute.data.codes import CACHE_DAMAGED
from recipe_runner.execute.data.explain import short


def demand_sound(entry: Entry) -> None:
    """Report RR455 where a file of the entry cannot be read as the rows that were written."""
    for name, file in entry.manifest.files.items():
        if "rows" not in file:
            continue
        fault = _broken(entry.folder / name, int(file["rows"]))
        if fault is not None:
            raise DiagnosticError(
                Diagnostic(
                    CACHE_DAMAGED,
                    f"the prepared data are damaged: {name} {fault}",
                    Place(str(entry.folder)),
                    f"`recipe-run cache verify --repair {short(entry.folder.name)}` removes them, "
                    "and the same command prepares them again; look at the disk if it happens "
                    "more than once",
                )
            )


def damages(folder: Path) -> Iterator[str]:
    """Everything that is not as it was written in an entry's folder; reads all of it."""
    manifest = Manifest.read(folder)
    if manifest is None:
        yield "manifest.json is missing or cannot be read"
        return
    for name, file in manifest.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif (size := path.stat().st_size) != file["bytes"]:
            yield f"{name} has {size:,} bytes, was {file['bytes']:,}"
        elif sha256_of(path) != file.get("sha256"):
            yield f"{name} has other content than was written"


def _broken(path: Path, rows: int) -> str | None:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file:
            found = 0
            for batch in pa.ipc.open_stream(file):
                batch.validate()
                found += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return f"is no Arrow that can be read ({lines[0]})"
    return None if found == rows else f"has {found:,} rows, was {rows:,}"
