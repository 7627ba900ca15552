"""Where a path of a recipe leads. A recipe may hold any text, and not every text is a path."""

from __future__ import annotations

import glob
from pathlib import Path


class UnusablePathError(ValueError):
    """A text that no file can have as its path here; its message is the reason, for a person."""


def located(text: str, base: Path) -> Path:
    """The absolute path that `text` means, seen from `base`; nothing needs to be there.

    Raises `UnusablePathError` where the system cannot even look.
    """
    try:
        path = (base / Path(text).expanduser()).absolute()
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except OSError as error:
        raise UnusablePathError((error.strerror or str(error)).lower()) from error
    except ValueError as error:
        raise UnusablePathError("it holds a null character") from error
    except RuntimeError as error:
        raise UnusablePathError("there is no such user") from error
    return path


def matching(pattern: str, base: Path) -> list[Path]:
    """The files that a pattern such as `data/*.jsonl` or `~/data/**/*.csv` means, sorted."""
    try:
        wanted = str(Path(pattern).expanduser())
    except RuntimeError as error:
        raise UnusablePathError("there is no such user") from error
    # `Path.glob` takes no absolute pattern, and raises where `**` is part of a name.
    names = glob.glob(wanted, root_dir=base, recursive=True)  # noqa: PTH207
    found = (base / name for name in names)
    return sorted(file.resolve() for file in found if file.is_file())
