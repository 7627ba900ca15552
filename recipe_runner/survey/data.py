"""What the data sets of a recipe are: which files, how many rows, what the rows look like.

The rows of files of usual size are counted, but only the first thousand and the last one
are read, so that a check stays quick. The run itself reads every row, and so does a survey
of all rows.
"""

import difflib
import os
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from recipe_runner.components.base import discover
from recipe_runner.components.source import Source
from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.recipe.sections import SourceSpec
from recipe_runner.rows import Located, Row, RowProblem
from recipe_runner.rows.address import is_address
from recipe_runner.rows.codes.files import DATA_NOT_FOUND
from recipe_runner.rows.packed import is_packed, kind_of
from recipe_runner.survey.address import database, remote_file
from recipe_runner.survey.paths import UnusablePathError, located, matching

COUNTED_BYTES = 64 << 20
"""Data up to this size together are counted to the last row."""

_UNPACKED = 8
"""How many times as large compressed text is taken to be once it is unpacked."""

HEAD_CHUNKS = 1
"""Of those chunks (of 1,000 rows at most) all rows are read; of the others the very last one."""

_NAMES_SHOWN = 8
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_PATTERN = re.compile(r"[*?\[]")
_RELATIVE = "paths are relative to the recipe's folder"


@dataclass(frozen=True, eq=False)
class SourceFacts:
    """One data set as found; equal only to itself, so that what is judged of it can be kept.

    `files` are absolute and sorted, empty for a hub data set, and a single address where the
    rows are elsewhere. `rows` counts all rows
    where the data is not too large, `sample` holds those that were read, with their
    places; both are None and empty where reading needs the datasets library.
    """

    loader: str
    files: tuple[str, ...] = ()
    rows: int | None = None
    sample: tuple[Located, ...] = ()

    @property
    def first_row(self) -> Row | None:
        """The first row that could be read."""
        return next((row for _, row in self.sample if not isinstance(row, RowProblem)), None)


def survey_source(
    spec: SourceSpec, base: Path, place: Place, *, all_rows: bool = False
) -> SourceFacts:
    """Look at one data set. Reports RR401 at `place`, and what is wrong with a file as a whole."""
    kinds: Mapping[str, type[Source]] = discover("recipe_runner.components.sources")  # type: ignore[assignment]
    stated = spec.source if isinstance(spec.source, Source) else None
    if stated is not None and stated.builder is None:
        return SourceFacts(loader=stated.type)
    if stated is not None and stated.connects:
        return SourceFacts(stated.type, (database(spec.path, base, place),))
    suffixes = {s: kind for kind in kinds.values() for s in kind.suffixes}
    if is_address(spec.path):
        return SourceFacts(remote_file(spec.path, stated, suffixes, place), (spec.path,))
    files = _files(spec, base, suffixes, place)
    if files is None:
        hub = next(name for name, kind in kinds.items() if kind.builder is None)
        return SourceFacts(loader=hub)
    if stated is not None:
        source = stated
    else:
        first = {suffixes[kind_of(f.name)]: f for f in reversed(files) if _is_data(f, suffixes)}
        if len(first) > 1:
            raise DiagnosticError(_several_kinds(spec, first, place))
        kind = next(iter(first), None)
        if kind is None:
            raise DiagnosticError(_unknown_kind(spec, files, suffixes, place))
        source = kind.model_validate({"type": kind.type_name()})
    return _read(source, tuple(str(file) for file in files), all_rows)


def _files(
    spec: SourceSpec, base: Path, suffixes: Mapping[str, type[Source]], place: Place
) -> list[Path] | None:
    """The local files that a path means, or None where it is a hub id."""
    try:
        path = located(spec.path, base).resolve()
    except UnusablePathError as error:
        raise DiagnosticError(
            Diagnostic(
                DATA_NOT_FOUND, f"`{spec.path}` cannot be looked at: {error}", place, _RELATIVE
            )
        ) from error
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(f for f in path.rglob("*") if f.is_file() and _is_data(f, suffixes))
        if found:
            return found
        raise DiagnosticError(
            _missing(spec, f"the folder `{path}` holds no data file", path / "*", place)
        )
    if _PATTERN.search(spec.path):
        if found := matching(spec.path, base):
            return found
        raise DiagnosticError(
            _missing(spec, f"no file matches `{spec.path}` in `{base}`", path, place)
        )
    if _HUB_ID.fullmatch(spec.path) and kind_of(path.name) not in suffixes:
        return None
    raise DiagnosticError(_missing(spec, f"there is no file `{path}`", path, place))


def _is_data(path: Path, suffixes: Mapping[str, type[Source]]) -> bool:
    kind = suffixes.get(kind_of(path.name))
    return kind is not None and (kind.may_be_packed or not is_packed(path.name))


def _missing(spec: SourceSpec, finding: str, wanted: Path, place: Place) -> Diagnostic:
    return Diagnostic(
        DATA_NOT_FOUND,
        f"`{spec.path}` is not there: {finding}",
        place,
        f"{_near(wanted)}{_RELATIVE}",
    )


def _near(wanted: Path) -> str:
    """A file of the same folder with a similar name, or the names there are, to help."""
    if not wanted.parent.is_dir():
        return ""
    names = sorted(f.name for f in wanted.parent.iterdir() if not f.name.startswith("."))
    near = difflib.get_close_matches(wanted.name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`? "
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return f"the folder has {shown}{more}; " if names else ""


def _unknown_kind(
    spec: SourceSpec, files: list[Path], suffixes: Mapping[str, object], place: Place
) -> Diagnostic:
    return Diagnostic(
        DATA_NOT_FOUND,
        f"`{spec.path}` has a kind of file that its ending does not tell: `{files[0].name}`",
        place,
        f"set `source`, or use one of {', '.join(sorted(suffixes))}",
    )


def _several_kinds(
    spec: SourceSpec, first: Mapping[type[Source], Path], place: Place
) -> Diagnostic:
    files = ", ".join(sorted(f"`{file.name}`" for file in first.values()))
    return Diagnostic(
        DATA_NOT_FOUND,
        f"`{spec.path}` holds files of several kinds, such as {files}",
        place,
        "list them as data sets of their own, or name one kind with a pattern such as `data/*.jsonl`",
    )


def _read(source: Source, files: tuple[str, ...], all_rows: bool) -> SourceFacts:
    stamps = tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in map(os.stat, files))
    return _read_once(source, files, stamps, all_rows)


@lru_cache(maxsize=32)
def _read_once(
    source: Source,
    files: tuple[str, ...],
    stamps: tuple[tuple[int, int, int], ...],
    all_rows: bool,
) -> SourceFacts:
    """The same files are read once for all recipes of a command that name them."""
    sizes = (
        size * _UNPACKED if is_packed(file) else size
        for file, (_, size, _) in zip(files, stamps, strict=True)
    )
    counted = all_rows or sum(sizes) <= COUNTED_BYTES
    rows = source.rows(files, max_chunks=None if counted else HEAD_CHUNKS)
    if rows is None:
        return SourceFacts(loader=source.type, files=files)
    head = rows.chunks if all_rows else rows.chunks[:HEAD_CHUNKS]
    sample = [located for chunk in head for located in rows.read(chunk)]
    if counted and len(rows.chunks) > len(head):
        # A file that was not written to its end shows it in its last row.
        sample += deque(rows.read(rows.chunks[-1]), maxlen=1)
    return SourceFacts(source.type, files, len(rows) if counted else None, tuple(sample))
