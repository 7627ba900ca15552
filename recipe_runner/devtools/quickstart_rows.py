"""The quickstart's data set, as files that the recipe names.

They are committed, so that the recipe can be checked and read on a fresh clone, in
parts that stay small.
"""

from __future__ import annotations

from pathlib import Path

from recipe_runner.shipped.quickstart_data import conversations

ROWS, HELD_OUT, SEED = 12_000, 200, 0
PART_ROWS = 4_000
"""Rows of one file: somewhat under 500 kB."""

_FOLDER = Path("recipes/quickstart-data")
FOLDERS = (_FOLDER,)


def artefacts() -> dict[Path, str]:
    """The training parts and the held-out rows."""
    train, held_out = conversations(rows=ROWS, held_out=HELD_OUT, seed=SEED)
    parts = {
        _FOLDER / "train" / f"{start // PART_ROWS + 1}.jsonl": _lines(
            train[start : start + PART_ROWS]
        )
        for start in range(0, ROWS, PART_ROWS)
    }
    return {**parts, _FOLDER / "held_out.jsonl": _lines(held_out)}


def _lines(rows: list[str]) -> str:
    return "".join(f"{row}\n" for row in rows)
