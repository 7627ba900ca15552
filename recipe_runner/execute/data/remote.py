"""Brings rows that are elsewhere here: files through fsspec, queries through `datasets`.

What comes back is a plan over local files. A file is kept by its address and by what its
store says about it (a tag, a time, a size), so that it is fetched again only after it
changed. What several processes of a run get is what the first one of them got.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe_runner.components.base import discover
from recipe_runner.components.source import Source
from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.execute import atomic
from recipe_runner.execute.data.codes import SOURCE_UNREACHABLE
from recipe_runner.execute.data.sql import rows_of_query
from recipe_runner.plan import Plan, SourcePlan
from recipe_runner.rows.address import STORES, file_name, is_address, scheme_of
from recipe_runner.rows.codes.archives import ARCHIVE_PACKAGE_MISSING
from recipe_runner.rows.packed import kind_of

_SOURCES = "recipe_runner.components.sources"
_TAGS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "Content-MD5",
    "checksum",
    "blob_id",
    "LastModified",
    "last_modified",
    "Last-Modified",
    "updated",
    "mtime",
    "created",
)
"""What stores say about a file that is another after each change; one of them is enough."""

_TROUBLE = (
    ("aiohttp", "ClientError"),
    ("azure.core.exceptions", "AzureError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("google.auth.exceptions", "GoogleAuthError"),
)
"""Errors of stores that are no OSError."""


def at_hand(plan: Plan, root: Path) -> Plan:
    """`plan` with local files in place of addresses; what is fetched is kept below `root`.

    Reports RR436 where a package is missing and RR439 where a source is out of reach.
    """
    data = plan.data
    here = [_local(source, root, plan.recipe_path) for source in (*data.train, *data.eval)]
    count = len(data.train)
    return replace(plan, data=replace(data, train=tuple(here[:count]), eval=tuple(here[count:])))


def _local(source: SourcePlan, root: Path, recipe: str) -> SourcePlan:
    kinds: Mapping[str, type[Source]] = discover(_SOURCES)  # type: ignore[assignment]
    if kinds[source.loader].connects:
        return replace(
            source, loader="arrow", loader_options={}, files=(rows_of_query(source, root, recipe),)
        )
    if not any(map(is_address, source.files)):
        return source
    files = [file for address in source.files for file in _fetched(address, source, root, recipe)]
    return replace(source, files=tuple(files))


def _fetched(address: str, source: SourcePlan, root: Path, recipe: str) -> list[str]:
    """The local copies of the files at `address`."""
    folder = root / "remote" / _short(address)
    known = folder / "files.json"
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        last = _files(known)
        # A process beside others takes what the first one took: the store may have changed since.
        if last is not None and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            return last
        try:
            files = list(_fetch(address, source, folder, recipe))
        except (FileNotFoundError, PermissionError) as error:
            raise DiagnosticError(unreachable(address, recipe, error)) from error
        except trouble() as error:
            if last is None or (isinstance(error, OSError) and error.filename is not None):
                raise DiagnosticError(unreachable(address, recipe, error)) from error
            return last
        atomic.write_json(known, {"address": address, "files": files})
        return files


def _fetch(address: str, source: SourcePlan, folder: Path, recipe: str) -> Iterator[str]:
    """Fetch what is not here yet. Raises what the store raises, and FileNotFoundError."""
    system, path = file_system(address, recipe)
    system.invalidate_cache()  # what it listed before may have changed since
    for name in found(system, path, address, source):
        info = system.info(name)
        tags = {tag: str(info[tag]) for tag in _TAGS if info.get(tag)}
        stamp = json.dumps([name, info.get("size"), tags], sort_keys=True)
        target = folder / _short(stamp) / file_name(name)
        # A size alone does not show a change.
        if not tags or not target.is_file():
            target.parent.mkdir(exist_ok=True)
            part = target.with_name(f"{target.name}.part")
            system.get_file(name, str(part))
            _demand_whole(part, info.get("size"), name)
            part.replace(target)
        yield str(target)


def file_system(address: str, recipe: str) -> tuple[Any, str]:
    """The store of `address`, as fsspec sees it, and the path in it. Reports RR436."""
    import fsspec

    package = STORES.get(scheme_of(address) or "")
    if package is not None and find_spec(package.module) is None:
        raise DiagnosticError(
            Diagnostic(
                ARCHIVE_PACKAGE_MISSING,
                f"`{address}` is read with the package {package.name}, which is not installed",
                Place(recipe),
                f"pip install {package.name}",
            )
        )
    system, path = fsspec.core.url_to_fs(address)
    return system, str(path)


def found(system: Any, path: str, address: str, source: SourcePlan) -> Sequence[str]:
    """The files that `path` names: itself, those of a pattern, or those in a folder, sorted.

    Raises FileNotFoundError where there are none.
    """
    if scheme_of(address) in ("http", "https"):
        return [path]
    if any(character in path for character in "*?["):
        names = [name for name in system.glob(path) if not system.isdir(name)]
    elif system.isdir(path):
        kind: type[Source] = discover(_SOURCES)[source.loader]  # type: ignore[assignment]
        names = [name for name in system.find(path) if kind_of(name) in kind.suffixes]
    else:
        return [path]
    if not names:
        raise FileNotFoundError(f"there is no {source.loader} file")
    return sorted(names)


def _demand_whole(part: Path, size: int | None, name: str) -> None:
    got = part.stat().st_size
    if size is not None and got != size:
        part.unlink()
        raise ConnectionError(f"{got} of {size} bytes of {name} arrived")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for part in folder.glob("*/*.part"):  # of a process that was killed
            part.unlink()
        yield


def _files(known: Path) -> list[str] | None:
    """What was fetched last, where it is still there."""
    try:
        files = [str(file) for file in json.loads(known.read_bytes())["files"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return files if all(Path(file).is_file() for file in files) else None


def trouble() -> tuple[type[Exception], ...]:
    """Errors of stores; only a library that is loaded can raise its own."""
    loaded = (getattr(sys.modules[m], name) for m, name in _TROUBLE if m in sys.modules)
    return (OSError, *loaded)


def unreachable(address: str, recipe: str, error: Exception) -> Diagnostic:
    """RR439 in the words of whatever stood in the way."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return Diagnostic(
        SOURCE_UNREACHABLE,
        f"`{address}` cannot be fetched: {said}",
        Place(recipe),
        "check the address, the connection and the store's keys in the environment, or fetch it "
        "once and name the local files",
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
