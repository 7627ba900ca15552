"""Compressed text files, read as what they hold.

gzip, bzip2 and xz come with Python; Zstandard needs the package `zstandard`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.rows.codes.archives import ARCHIVE_DAMAGED, ARCHIVE_PACKAGE_MISSING
from recipe_runner.rows.codes.files import TRUNCATED_FILE

_BLOCK = 4096
"""Compressed bytes taken at once; a block of Zstandard can hold many thousand times as many."""

_COPIED = 1 << 20

Opener = Callable[[str], AbstractContextManager[BinaryIO]]
"""Opens a file by its name, as what it holds."""


def kind_of(name: str) -> str:
    """The ending that tells the kind of file, lower case: `.jsonl` for `a.jsonl` and `a.jsonl.gz`."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    return PurePosixPath(path.stem).suffix.lower() if suffix in _OPEN else suffix


def is_packed(name: str) -> bool:
    """True where the ending names a compression."""
    return PurePosixPath(name).suffix.lower() in _OPEN


def can_open(name: str) -> bool:
    """False where the package for the file's compression is not installed."""
    return PurePosixPath(name).suffix.lower() != _ZSTANDARD or find_spec("zstandard") is not None


@contextmanager
def plain(file: str) -> Iterator[BinaryIO]:
    """Open a local file as what it holds, from its start; plain files as they are.

    Reports RR403 where compressed data end too early, RR435 where they are damaged and
    RR436 where the package that reads them is missing.
    """
    with Path(file).open("rb") as handle, unpacked(handle, file) as content:
        yield content


@contextmanager
def unpacked(handle: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The content of an open file, by the ending of its `name`. Reports as `plain` does."""
    opened = _OPEN.get(PurePosixPath(name).suffix.lower())
    if opened is None:
        yield handle
        return
    if not can_open(name):
        raise DiagnosticError(
            Diagnostic(
                ARCHIVE_PACKAGE_MISSING,
                f"`{PurePosixPath(name).name}` is compressed with Zstandard, and the package "
                "zstandard is not installed",
                Place(name),
                "pip install zstandard, or compress the file with gzip",
            )
        )
    with ExitStack() as stack:
        try:
            yield stack.enter_context(opened(handle))
        except EOFError as error:
            raise DiagnosticError(
                Diagnostic(
                    TRUNCATED_FILE,
                    f"`{PurePosixPath(name).name}` breaks off before its compressed data end",
                    Place(name),
                    "the file was not written to its end: fetch or write it again",
                )
            ) from error
        except _damage() as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the system, such as a full disk where the content is written
            raise DiagnosticError(
                Diagnostic(
                    ARCHIVE_DAMAGED,
                    f"`{PurePosixPath(name).name}` cannot be unpacked: {str(error).splitlines()[0]}",
                    Place(name),
                    "fetch or write the file again, or give it the ending of its real kind",
                )
            ) from error


def unpack_into(file: str, target: Path) -> None:
    """Write the content of a compressed file to `target`, a block at a time."""
    with plain(file) as content, target.open("wb") as out:
        shutil.copyfileobj(content, out, _COPIED)


def unpack_all(files: Sequence[str], folder: Path) -> dict[str, str]:
    """Unpack the compressed ones of `files` into `folder`: the files to read, and what to show.

    Others are read where they are. The order is that of `files`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = {}
    for number, file in enumerate(files):
        content = folder / f"{number}.content"
        if is_packed(file):
            unpack_into(file, content)
        shown[str(content) if is_packed(file) else file] = file
    return shown


def go_to(handle: BinaryIO, offset: int) -> None:
    """Move from the start to `offset`, also where the data can only be read on."""
    if handle.seekable():
        handle.seek(offset)
        return
    while offset > 0 and (block := handle.read(min(offset, _COPIED))):
        offset -= len(block)


class _Zstandard(io.RawIOBase):
    """The content of Zstandard frames; a last one that does not end raises EOFError."""

    def __init__(self, handle: BinaryIO) -> None:
        from zstandard import ZstdDecompressor

        self._new = ZstdDecompressor().decompressobj
        self._handle = handle
        self._frame: Any = None  # zstandard's object for a frame that has begun
        self._packed, self._content, self._at = b"", b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # of a wider type
        while self._at == len(self._content):
            packed = self._packed or self._handle.read(_BLOCK)
            if not packed:
                if self._frame is not None:
                    raise EOFError
                return 0
            frame = self._new() if self._frame is None else self._frame
            self._content, self._at = frame.decompress(packed), 0
            self._packed = frame.unused_data if frame.eof else b""
            self._frame = None if frame.eof else frame
        count = min(len(buffer), len(self._content) - self._at)
        buffer[:count] = self._content[self._at : self._at + count]
        self._at += count
        return count


_ZSTANDARD = ".zst"
_OPEN: Mapping[str, Callable[[BinaryIO], BinaryIO]] = {
    # Readers of bytes in all but their declared base class.
    ".gz": lambda handle: cast(BinaryIO, gzip.GzipFile(fileobj=handle)),
    ".bz2": lambda handle: cast(BinaryIO, bz2.BZ2File(handle)),
    ".xz": lambda handle: cast(BinaryIO, lzma.LZMAFile(handle)),  # noqa: SIM115  # `unpacked` closes it
    _ZSTANDARD: lambda handle: io.BufferedReader(_Zstandard(handle), _COPIED),
}
"""How to read each compression, by its ending."""


def _damage() -> tuple[type[Exception], ...]:
    """What the readers raise for data that are not what their ending says."""
    known: tuple[type[Exception], ...] = (gzip.BadGzipFile, zlib.error, lzma.LZMAError, OSError)
    if find_spec("zstandard") is None:
        return known
    from zstandard import ZstdError

    return (*known, ZstdError)
