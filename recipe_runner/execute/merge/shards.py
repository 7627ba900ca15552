"""Writes safetensors files one tensor at a time: the header first, then each tensor in its place.

Format: eight bytes with the length of the header, the header as JSON, the tensors without
gaps (https://huggingface.co/docs/safetensors). Wider types come first in a file, so that
every tensor is aligned to its own type, as the library writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

WORDS = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
"""The format's words for torch's types."""

_CHUNK = 32 * 2**20
"""Bytes that are written at once."""


@dataclass(frozen=True)
class Entry:
    """A tensor to come: its name, its sizes and its torch type."""

    name: str
    shape: tuple[int, ...]
    dtype: Any

    @property
    def count(self) -> int:
        """Its bytes."""
        total = int(self.dtype.itemsize)
        for size in self.shape:
            total *= size
        return total


@dataclass(frozen=True)
class Shard:
    """One file of weights, by its name, and the tensors that go into it."""

    file: str
    entries: tuple[Entry, ...]


def shared_out(entries: Iterable[Entry], limit: int) -> tuple[Shard, ...]:
    """Files of at most `limit` bytes of weights, in the order given, named as transformers does.

    A tensor that is larger than `limit` gets a file of its own.
    """
    parts: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        if parts[-1] and size + entry.count > limit:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += entry.count
    if len(parts) == 1:
        return (Shard("model.safetensors", tuple(parts[0])),)
    return tuple(
        Shard(f"model-{number:05}-of-{len(parts):05}.safetensors", tuple(part))
        for number, part in enumerate(parts, 1)
    )


class Writer:
    """Writes tensors into their files, and the index last; a context manager.

    `after_chunk` is called whenever some of a tensor has been written.
    """

    def __init__(
        self, folder: Path, shards: Sequence[Shard], after_chunk: Callable[[], None]
    ) -> None:
        self._folder, self._shards, self._after_chunk = folder, shards, after_chunk
        self._places: dict[str, tuple[Shard, int]] = {}
        self._open: dict[str, IO[bytes]] = {}
        self._left = {shard.file: len(shard.entries) for shard in shards}
        self._entries = {entry.name: entry for shard in shards for entry in shard.entries}

    def __enter__(self) -> Writer:
        for shard in self._shards:
            self._begin(shard)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._open.values():
            file.close()
        if error is None:
            assert not any(self._left.values()), f"tensors are missing: {self._left}"
            self._write_index()

    def write(self, name: str, tensor: Any) -> None:
        """Write one tensor, which has to be as its entry says."""
        entry = self._entries[name]
        assert tuple(tensor.shape) == entry.shape, f"{name}: {tuple(tensor.shape)}, {entry.shape}"
        assert tensor.dtype == entry.dtype, f"{name}: {tensor.dtype}, {entry.dtype}"
        shard, offset = self._places[name]
        file = self._file(shard)
        file.seek(offset)
        for part in _parts(tensor):
            file.write(part)
            self._after_chunk()
        self._left[shard.file] -= 1
        if self._left[shard.file] == 0:
            self._open.pop(shard.file).close()

    def _file(self, shard: Shard) -> IO[bytes]:
        if shard.file not in self._open:
            self._open[shard.file] = (self._folder / shard.file).open("r+b")
        return self._open[shard.file]

    def _begin(self, shard: Shard) -> None:
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        offset = 0
        for entry in sorted(shard.entries, key=lambda each: -each.dtype.itemsize):
            header[entry.name] = {
                "dtype": WORDS[str(entry.dtype).removeprefix("torch.")],
                "shape": list(entry.shape),
                "data_offsets": [offset, offset + entry.count],
            }
            offset += entry.count
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        for entry in shard.entries:
            begin = header[entry.name]["data_offsets"][0]
            self._places[entry.name] = (shard, 8 + len(text) + begin)
        with (self._folder / shard.file).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + offset)

    def _write_index(self) -> None:
        if len(self._shards) == 1:
            return
        files: Mapping[str, str] = {
            entry.name: shard.file for shard in self._shards for entry in shard.entries
        }
        total = sum(entry.count for entry in self._entries.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(files.items()))}
        text = json.dumps(index, indent=2) + "\n"
        (self._folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")


def _parts(tensor: Any) -> Iterable[memoryview]:
    import torch

    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    for begin in range(0, flat.numel(), _CHUNK):
        yield memoryview(flat[begin : begin + _CHUNK].numpy())
