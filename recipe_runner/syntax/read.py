"""A file or standard input becomes a Document: bytes are checked and decoded here.

At most `LARGEST_FILE` bytes are held, so a device or an endless pipe does no harm.
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import IO, Any

from recipe_runner.diagnostics import Code, Diagnostic, Place
from recipe_runner.syntax import codes
from recipe_runner.syntax.document import Document
from recipe_runner.syntax.parse import parse
from recipe_runner.syntax.source import Source

LARGEST_FILE = 1024 * 1024
"""In bytes. A long recipe has about 5,000."""

STDIN_NAME = "<stdin>"

_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def read(
    path: str | os.PathLike[str], *, stdin: IO[Any] | None = None
) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """Read the recipe at `path`, or from `stdin` where the path is `-`.

    `stdin` is `sys.stdin` or any readable stream of text or bytes; without it, `-` is a
    file's name as any other. Reports RR001 to RR008 and the RR1xx codes.
    """
    shown = os.fspath(path)
    if shown == "-" and stdin is not None:
        shown = STDIN_NAME
        # The bytes beneath sys.stdin: the text layer guesses an encoding and drops CR.
        data = getattr(stdin, "buffer", stdin).read(LARGEST_FILE + 1)
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogatepass")
    else:
        try:
            with Path(shown).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            return None, (_unreadable(shown, error),)
    decoded = _decode(data, shown)
    if isinstance(decoded, Diagnostic):
        return None, (decoded,)
    return parse(decoded, shown)


def _unreadable(path: str, error: OSError | ValueError) -> Diagnostic:
    """`open` raises ValueError for a path that holds a NUL."""
    shown = path.replace("\0", "\\0")
    if isinstance(error, FileNotFoundError):
        folder = Path(path).parent
        help_ = (
            f"`{folder}` exists; check the file's name"
            if folder.is_dir()
            else f"`{folder}` does not exist either; paths are relative to the working directory"
        )
        return _at_file(codes.FILE_NOT_FOUND, shown, "there is no such file", help_)
    if isinstance(error, IsADirectoryError):
        return _at_file(
            codes.IS_A_DIRECTORY,
            shown,
            "this is a directory, not a recipe file",
            "name one recipe in it; `recipe-run check` also takes directories",
        )
    if isinstance(error, PermissionError):
        return _at_file(
            codes.PERMISSION_DENIED,
            shown,
            "reading this file is not permitted",
            "`ls -l` shows who may; `chmod u+r` lets the owner",
        )
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return _at_file(
        codes.UNREADABLE_FILE,
        shown,
        f"the file cannot be read: {reason}",
        "name a plain file on a disk that can be read",
    )


def _at_file(code: Code, path: str, message: str, help_: str) -> Diagnostic:
    return Diagnostic(code, message, Place(path), help_)


def _decode(data: bytes, path: str) -> str | Diagnostic:
    if len(data) > LARGEST_FILE:
        return _at_file(
            codes.FILE_TOO_LARGE,
            path,
            "the file is larger than 1 MiB",
            "a recipe has a few kB; data belongs into files that the recipe names",
        )
    wide = _wide_encoding(data)
    if wide is not None:
        return _at_file(
            codes.UTF_16,
            path,
            f"the file is {wide}; recipes are UTF-8",
            f"save it as UTF-8, or run `iconv -f {wide} -t UTF-8`",
        )
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(data, error.start, path)


def _wide_encoding(data: bytes) -> str | None:
    for mark, name in _WIDE_MARKS:
        if data.startswith(mark):
            return name
    head = data[:64]
    # Without a mark: plain English has a NUL in every second byte.
    if len(head) >= 4 and len(head) % 2 == 0:
        for zeros, letters in ((head[1::2], head[::2]), (head[::2], head[1::2])):
            if not any(zeros) and 0 not in letters:
                return "UTF-16"
    return None


def _not_utf8(data: bytes, offset: int, path: str) -> Diagnostic:
    # Bytes that do not decode become one character each, so columns before them are right.
    before = data[:offset].decode("utf-8")
    source = Source(before + data[offset:].decode("utf-8", "replace"), path)
    latin = bytes([data[offset]]).decode("cp1252", "replace")
    guess = f", in Windows-1252 `{latin}`" if latin.isprintable() and latin != "\ufffd" else ""
    return Diagnostic(
        codes.NOT_UTF_8,
        f"the byte 0x{data[offset]:02x} is not UTF-8{guess}",
        source.place(len(before), len(before) + 1),
        "save the file as UTF-8" + (", or run `iconv -f WINDOWS-1252 -t UTF-8`" if guess else ""),
    )
