"""Pieces of rendered text inside a message."""

from __future__ import annotations


def quoted(text: str, *, last: int | None = None) -> str:
    """`text` in quotes, on one line; of a longer one, the `last` characters."""
    if last is not None and len(text) > last:
        text = text[-last:]
    return '"' + text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'
