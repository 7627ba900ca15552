"""Looks after the cache: what is in it, what of it is damaged, what can go."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recipe_runner.execute.data.cache import BUILDING, MANIFEST, Manifest, Store, is_whole
from recipe_runner.execute.data.soundness import damages

State = Literal["whole", "damaged", "building", "unfinished"]


@dataclass(frozen=True)
class Item:
    """An entry, or what a builder has written so far.

    `bytes` are on disk, `rows` and `tokens` are of all sources. Times are in seconds since
    the epoch. `building` is under way, `unfinished` was left by a process that was killed;
    a `damaged` entry lacks files, or bytes of them.
    """

    key: str
    state: State
    bytes: int
    recipe: str | None = None
    name: str | None = None
    built: float | None = None
    used: float | None = None
    rows: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Beside:
    """What is in the cache beside prepared data: a folder or a file, and its size in bytes."""

    name: str
    bytes: int


def items(store: Store) -> list[Item]:
    """All entries, those used last first, and then what is not complete."""
    folders = [] if not store.prepared.is_dir() else sorted(store.prepared.iterdir())
    made = [_item(f) for f in folders if f.is_dir() and not f.name.endswith(BUILDING)]
    begun = [
        Item(key, "building" if _is_locked(store, key) else "unfinished", _size(folder))
        for key in store.unfinished()
        if (folder := store.prepared / f"{key}{BUILDING}").is_dir()
    ]
    return sorted(made, key=lambda item: -(item.used or 0)) + begun


def beside(store: Store) -> list[Beside]:
    """What else the cache holds: what hubs gave, hashes of files, tokenizers."""
    if not store.root.is_dir():
        return []
    others = (path for path in sorted(store.root.iterdir()) if path != store.prepared)
    return [
        Beside(f"{path.name}/" if path.is_dir() else path.name, _size(path))
        for path in others
        if path.suffix != ".lock"
    ]


def chosen(
    found: Sequence[Item], keys: Sequence[str], *, older_than: float | None = None
) -> tuple[list[Item], list[str]]:
    """The items whose key begins with one of `keys`, and the keys that name none or several.

    With `older_than`, in seconds, all items that were not used for that long.
    """
    if older_than is not None:
        before = time.time() - older_than
        return [item for item in found if item.used is not None and item.used < before], []
    named: dict[str, Item] = {}
    unclear = []
    for key in keys:
        meant = {item.key for item in found if item.key.startswith(key)}
        if len(meant) != 1:
            unclear.append(key)
        named.update({item.key: item for item in found if item.key in meant})
    return [item for item in found if item.key in named], unclear


def remove(store: Store, item: Item) -> bool:
    """Remove an entry or what is left of one; False where it is being built or in use."""
    try:
        store.discard(item.key)
    except BlockingIOError:
        return False
    return True


def faults(store: Store, item: Item) -> list[str]:
    """What of an entry is not as it was written; reads all of its files."""
    return list(damages(store.prepared / item.key))


def _item(folder: Path) -> Item:
    manifest = Manifest.read(folder)
    size = _size(folder)
    if manifest is None:
        return Item(folder.name, "damaged", size)
    sources = manifest.notes.get("sources", ())
    recipe, name, built = (manifest.about.get(each) for each in ("recipe", "name", "built"))
    return Item(
        key=folder.name,
        state="whole" if is_whole(folder, manifest) else "damaged",
        bytes=size,
        recipe=None if recipe is None else str(recipe),
        name=None if name is None else str(name),
        built=built,
        used=(folder / MANIFEST).stat().st_mtime,
        rows=sum(source["rows"] for source in sources),
        tokens=sum(source["tokens"] for source in sources),
    )


def _is_locked(store: Store, key: str) -> bool:
    try:
        with (store.prepared / f"{key}.lock").open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _size(path: Path) -> int:
    return sum(_bytes(path))


def _bytes(path: Path) -> Iterator[int]:
    # Other processes build and remove meanwhile.
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            for child in path.iterdir():
                yield from _bytes(child)
        else:
            yield path.lstat().st_size
