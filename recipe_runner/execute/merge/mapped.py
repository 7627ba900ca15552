"""Weights that lie in files: which memory that is, and how to give it back after use.

safetensors maps a file into memory, and what is read of it stays resident until the system
needs the room. Given back at once, a model of any size takes the memory of the layer that
is being looked at. Only Linux tells what is mapped (proc(5)); elsewhere nothing is given back.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DONT_NEED = 4
"""MADV_DONTNEED of Linux: pages of a file are read again when they are next touched."""


@dataclass(frozen=True)
class Mapped:
    """The mapped parts of weight files, as (first address, bytes)."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, model: Any) -> Mapped:
        """The files that weights of `model` lie in."""
        places = [tensor.data_ptr() for tensor in _tensors(model)]
        found = [
            (first, last - first)
            for first, last in _mappings()
            if any(first <= place < last for place in places)
        ]
        return cls(tuple(found))

    def give_back(self) -> None:
        """Make these parts take no memory until they are read again."""
        libc = ctypes.CDLL(None, use_errno=True)
        for first, count in self.ranges:
            libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(count), _DONT_NEED)

    def bytes_outside(self, model: Any) -> int:
        """Bytes of the weights of `model` that lie in memory and not in a file."""
        seen: dict[int, int] = {}
        for tensor in _tensors(model):
            place = tensor.data_ptr()
            if not any(first <= place < first + count for first, count in self.ranges):
                seen[place] = tensor.numel() * tensor.element_size()
        return sum(seen.values())

    def untouched(self) -> bool:
        """True where nothing was written into these parts: giving them back would undo it."""
        starts = {first for first, _ in self.ranges}
        inside = False
        for line in _lines("smaps"):
            head, _, rest = line.partition(" ")
            if "-" in head and not head.endswith(":"):
                inside = int(head.partition("-")[0], 16) in starts
            elif inside and head == "Anonymous:" and int(rest.split()[0]) > 0:
                return False
        return True


def _tensors(model: Any) -> Iterator[Any]:
    yield from model.parameters()
    yield from model.buffers()


def _mappings() -> Iterator[tuple[int, int]]:
    for line in _lines("maps"):
        if line.endswith(".safetensors") or ".safetensors (deleted)" in line or _is_blob(line):
            first, _, last = line.split(maxsplit=1)[0].partition("-")
            yield int(first, 16), int(last, 16)


def _is_blob(line: str) -> bool:
    """True for a file of the hub's cache, which is named by its hash."""
    return f"{os.sep}blobs{os.sep}" in line


def _lines(name: str) -> list[str]:
    try:
        return Path(f"/proc/self/{name}").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
