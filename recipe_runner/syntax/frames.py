"""What is known of a node while it is being read: open lists and mappings, and anchors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recipe_runner.syntax.document import Path


@dataclass
class Anchored:
    """What an anchor stands for; `open` while its list or mapping is being read."""

    start: int
    value: Any = None
    nodes: int = 1
    height: int = 0
    open: bool = False


@dataclass
class Frame:
    """A list or mapping being read. Offsets count from the start of the text."""

    container: Any
    path: Path
    start: int
    end: int
    anchored: Anchored | None
    as_key: bool
    nodes: int = 1
    height: int = 0
    key: str | None = None
    key_at: tuple[int, int] = (0, 0)
    first_keys: dict[str, tuple[int, int]] = field(default_factory=dict)
