"""Data sets that are elsewhere: told by their address alone, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recipe_runner.components.source import Source
from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.rows.address import (
    BY_NAME,
    SQLITE,
    STORES,
    file_name,
    holds_secret,
    is_open,
    scheme_of,
    without_secret,
)
from recipe_runner.rows.codes.files import DATA_NOT_FOUND
from recipe_runner.rows.packed import is_packed, kind_of
from recipe_runner.survey.codes import ADDRESS_NOT_USABLE, SECRET_IN_RECIPE
from recipe_runner.survey.paths import UnusablePathError, located

_SQL = "set `source: {type: sql, query: ...}`"


def remote_file(
    path: str, source: Source | None, kinds: Mapping[str, type[Source]], place: Place
) -> str:
    """The loader of the file at an address. Reports RR401, RR437 and RR438 at `place`."""
    scheme = scheme_of(path)
    if holds_secret(path):
        raise DiagnosticError(_secret(path, place))
    if scheme not in STORES:
        of_database = path.startswith(BY_NAME) or source is None
        help_text = f"use one of {', '.join(STORES)}" + (
            f"; for a database {_SQL}" if of_database else ""
        )
        what = f"the scheme `{scheme}`" if scheme else "an environment variable"
        message = f"`{path}` is an address with {what}, which holds no data files"
        raise DiagnosticError(Diagnostic(ADDRESS_NOT_USABLE, message, place, help_text))
    if is_open(path):
        message = f"`{path}` is plain HTTP: on the way, rows can be read and changed by others"
        raise DiagnosticError(
            Diagnostic(ADDRESS_NOT_USABLE, message, place, "use https, or fetch the file yourself")
        )
    if source is not None:
        return source.type
    name = file_name(path)
    kind = kinds.get(kind_of(name))
    if kind is None or (is_packed(name) and not kind.may_be_packed):
        raise DiagnosticError(
            Diagnostic(
                DATA_NOT_FOUND,
                f"`{path}` has a kind of file that its ending does not tell: `{name}`",
                place,
                f"set `source`, or use one of {', '.join(sorted(kinds))}",
            )
        )
    return kind.type_name()


def database(path: str, base: Path, place: Place) -> str:
    """The address of a database, with the path of an SQLite file made absolute.

    Reports RR401, RR437 and RR438 at `place`.
    """
    if path.startswith(BY_NAME) and path[len(BY_NAME) :].isidentifier():
        return path
    if path.lower().startswith(SQLITE):
        return SQLITE + str(_file(path, base, place))
    if scheme_of(path) is None:
        raise DiagnosticError(
            Diagnostic(
                ADDRESS_NOT_USABLE,
                f"`{path}` is no address of a database",
                place,
                "write sqlite:///data/rows.db, or env:NAME with the name of an environment "
                "variable that holds the address",
            )
        )
    if holds_secret(path):
        raise DiagnosticError(_secret(path, place))
    return path


def _file(path: str, base: Path, place: Place) -> Path:
    name = path[len(SQLITE) :]
    try:
        file = located(name, base).resolve()
        why = f"there is no file `{file}`"
    except UnusablePathError as error:
        file, why = Path(), f"it cannot be looked at: {error}"
    if not file.is_file():
        raise DiagnosticError(
            Diagnostic(
                DATA_NOT_FOUND,
                f"`{path}` is not there: {why}",
                place,
                "paths are relative to the recipe's folder; an absolute one has four slashes",
            )
        )
    return file


def _secret(path: str, place: Place) -> Diagnostic:
    return Diagnostic(
        SECRET_IN_RECIPE,
        f"the address `{without_secret(path)}` carries a password or a signature",
        Place(place.path, place.span),  # without the line, which would show it
        "keep it in the environment: for a database write `path: env:NAME`, for a file set what "
        "its store reads, such as AWS_ACCESS_KEY_ID",
    )
