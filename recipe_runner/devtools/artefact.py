"""Generated files on disk: how they differ from what the code says, and writing them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class UnavailableError(Exception):
    """A generator cannot run in this environment; the message says what is missing."""


@dataclass(frozen=True)
class Drift:
    """A generated file that is not as it should be.

    `content` is what the file should hold, None for a surplus file. `path` is relative
    to the root of the repository.
    """

    kind: Literal["stale", "missing", "surplus"]
    path: Path
    content: str | None = None


def compare(root: Path, artefacts: Mapping[Path, str], folders: Iterable[Path]) -> list[Drift]:
    """How the files below `root` differ from `artefacts`, sorted by path.

    `folders` hold generated files only: any other file in them is surplus.
    """
    drifts = []
    for path, content in artefacts.items():
        if not (root / path).is_file():
            drifts.append(Drift("missing", path, content))
        elif (root / path).read_bytes() != content.encode():
            drifts.append(Drift("stale", path, content))
    for folder in folders:
        present = {file.relative_to(root) for file in (root / folder).rglob("*") if file.is_file()}
        drifts += [Drift("surplus", path) for path in present - artefacts.keys()]
    return sorted(drifts, key=lambda drift: drift.path)


def repair(root: Path, drift: Drift) -> None:
    """Write the file, or remove it where it is surplus."""
    target = root / drift.path
    if drift.content is None:
        target.unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(drift.content.encode())


def difference(root: Path, drift: Drift, lines: int = 12) -> str:
    """The first `lines` lines of a unified diff from the file to what it should hold."""
    if drift.kind != "stale" or drift.content is None:
        return ""
    committed = (root / drift.path).read_text(encoding="utf-8", errors="replace").splitlines()
    diff = list(
        difflib.unified_diff(
            committed, drift.content.splitlines(), "committed", "generated", lineterm="", n=1
        )
    )
    rest = [f"... {len(diff) - lines} more lines"] if len(diff) > lines else []
    return "\n".join(diff[:lines] + rest)
