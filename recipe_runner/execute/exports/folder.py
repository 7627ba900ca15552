"""A folder that appears under its name when all of it is there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recipe_runner.execute import atomic
from recipe_runner.execute.codes.before import NOT_WRITABLE
from recipe_runner.execute.codes.during import DISK_FULL
from recipe_runner.execute.codes.exports import EXPORT_EXISTS
from recipe_runner.execute.fault import fault

RECEIPT = "export.json"
"""What was exported, from which plan, and what was compared; it makes a folder ours."""

_SCHEMA = "recipe-run-export/1"
_REFUSALS = (errno.EACCES, errno.EBUSY, errno.ENOTDIR, errno.EPERM, errno.EROFS)


def read_receipt(folder: Path) -> dict[str, Any] | None:
    """The receipt in `folder`, None where there is none of ours."""
    try:
        value = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and value.get("schema") == _SCHEMA else None


def write_receipt(folder: Path, **values: Any) -> None:
    """Write the receipt into `folder`."""
    atomic.write_json(folder / RECEIPT, {"schema": _SCHEMA, **values})


def refuse_existing(folder: Path, *, overwrite: bool) -> None:
    """Report RR641 where `folder` holds something that may not be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    receipt = read_receipt(folder) if folder.is_dir() else None
    if receipt is None:
        raise fault(
            EXPORT_EXISTS,
            folder,
            "the folder is there, and what it holds is no export of ours",
            "name another folder with --out",
        )
    if not overwrite:
        raise fault(
            EXPORT_EXISTS,
            folder,
            f"the folder holds an export of {receipt['made']}",
            "add --overwrite to replace it, or name another folder with --out",
        )


@contextlib.contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `folder` when the block ends well.

    Otherwise nothing stays behind. Where `folder` is a link, what it leads to is replaced.
    Reports RR604 and RR705.
    """
    folder = folder.resolve()
    with _writing(folder):
        _demand_replaceable(folder)
        sweep(folder.parent, f".{folder.name}.", home=folder)
        partial = passing(folder.parent, f".{folder.name}.")
    try:
        with _writing(folder):
            yield partial
            atomic.sync_files(path for path in partial.rglob("*") if path.is_file())
            _replace(folder, partial)
            atomic.sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def passing(parent: Path, prefix: str) -> Path:
    """Make a folder in `parent` that `sweep` finds where this process ends before removing it."""
    # Numbers of processes come again, in containers above all: the name has a drawn part as well.
    made = parent / f"{prefix}{os.getpid()}.{secrets.token_hex(4)}.tmp"
    made.mkdir()
    return made


def sweep(parent: Path, prefix: str, *, home: Path | None = None) -> None:
    """Remove what processes that were killed left in `parent`; what they moved goes back `home`."""
    for left in sorted(path for path in parent.iterdir() if path.name.startswith(prefix)):
        found = re.fullmatch(r"(\d+)(\.[0-9a-f]{8})?\.(old|tmp)", left.name.removeprefix(prefix))
        if found is None or _lives(int(found[1])):
            continue
        if found[3] == "old" and home is not None and not home.exists():
            left.rename(home)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _demand_replaceable(folder: Path) -> None:
    """Make the folder's parent. Raises OSError where the folder itself cannot be replaced."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(folder)) from error
    if os.path.ismount(folder):
        raise OSError(errno.EBUSY, "it is a mount point; name a folder in it", str(folder))


def _replace(folder: Path, partial: Path) -> None:
    """Give `partial` its name. An empty folder of that name is replaced in the same step."""
    if not folder.exists() or not any(folder.iterdir()):
        partial.rename(folder)
        return
    old = partial.with_suffix(".old")
    folder.rename(old)
    try:
        partial.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a disk that is full, and a place that takes no folder, into RR705 and RR604."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise fault(
                DISK_FULL,
                folder,
                f"no space left on the disk of {folder}",
                "free space, or name a folder on another disk with --out",
            ) from error
        if error.errno in _REFUSALS:
            raise fault(
                NOT_WRITABLE,
                folder,
                f"{error.filename or folder} cannot be written: {error.strerror}",
                "name another folder with --out, or change the folder's permissions",
            ) from error
        raise


def _lives(process: int) -> bool:
    """True for another process that runs: what has the number of this one is of an earlier one."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
