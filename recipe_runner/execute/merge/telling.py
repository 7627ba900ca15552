"""How a merge speaks to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable

Told = Callable[[str], None]
"""Takes one line for a person."""

Meter = Callable[[int, int], None]
"""Takes how many of how many weights are written."""


def gib(count: int) -> str:
    """Bytes as `1.3 GiB`, or as `20 MiB` where it is less than a tenth of that."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:.0f} MiB"
