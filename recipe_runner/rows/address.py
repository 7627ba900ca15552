"""Addresses of files that are elsewhere, and of databases: what a recipe may name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Package(NamedTuple):
    """What to install for a kind of address, and the module that shows that it is there."""

    name: str
    module: str


STORES: Mapping[str, Package] = {
    "abfs": Package("adlfs", "adlfs"),
    "abfss": Package("adlfs", "adlfs"),
    "az": Package("adlfs", "adlfs"),
    "gcs": Package("gcsfs", "gcsfs"),
    "gs": Package("gcsfs", "gcsfs"),
    "hf": Package("huggingface-hub", "huggingface_hub"),
    "http": Package("aiohttp", "aiohttp"),
    "https": Package("aiohttp", "aiohttp"),
    "s3": Package("s3fs", "s3fs"),
}
"""Schemes of files elsewhere, and the package that reads each through fsspec."""

SQLITE = "sqlite:///"
"""How the address of an SQLite file begins."""

BY_NAME = "env:"
"""How the name of an environment variable begins that holds the address of a database."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LOCAL = ("127.0.0.1", "::1", "localhost")
_SECRETS = re.compile(
    r"(^|[-_])(access_?key|api_?key|key|password|passwd|pwd|secret|sig|signature|token)$",
    re.IGNORECASE,
)


def scheme_of(text: str) -> str | None:
    """The scheme of an address, lower case; None for a path or a hub id."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else None


def is_address(text: str) -> bool:
    """True where rows have to be fetched before they can be read."""
    return scheme_of(text) is not None or text.startswith(BY_NAME)


def file_name(address: str) -> str:
    """The name of the file at an address, without what a URL may carry behind it."""
    return PurePosixPath(_path(address)).name


def holds_secret(address: str) -> bool:
    """True where a URL carries a password or a signature, which whoever reads it may use."""
    try:
        parts = urlsplit(address)
        secret = parts.password is not None
    except ValueError:
        return False
    return secret or any(_SECRETS.search(name) for name, _ in parse_qsl(parts.query))


def without_secret(address: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def is_open(address: str) -> bool:
    """True for plain HTTP to another machine: on the way anybody can read and change the rows."""
    try:
        parts = urlsplit(address)
        return parts.scheme.lower() == "http" and parts.hostname not in _LOCAL
    except ValueError:
        return True


def _path(address: str) -> str:
    # Only the web has queries; in the name of an object a question mark is a pattern.
    if scheme_of(address) in ("http", "https"):
        return urlsplit(address).path
    return address
