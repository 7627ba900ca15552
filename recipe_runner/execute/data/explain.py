"""Says why prepared data were found in the cache or not, in the words of a recipe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner.execute.data.cache import BUILDING, Manifest, Store
from recipe_runner.execute.data.key import Key

_MISSING = object()
_DIGITS = 12
"""Digits of a key that are shown."""


@dataclass(frozen=True)
class Explanation:
    """Why the data of `key` are in the cache, or what is there in their place.

    On a hit, `entry` is the key itself. On a miss it is that of the nearest entry which was
    made of the same recipe or of some of the same files, None where there is none, and
    `differences` says how that one differs. `by` names the recipe that the entry was built
    for, `built` the time in seconds since the epoch. `damaged` says that the entry is there
    and its files are not whole.
    """

    key: str
    hit: bool
    entry: str | None = None
    by: str | None = None
    built: float | None = None
    damaged: bool = False
    differences: tuple[str, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def lines(self) -> Iterator[str]:
        """The whole answer."""
        if self.hit:
            yield f"hit: the key {short(self.key)} is in the cache, {self._origin()}"
            yield from self._agreement()
            return
        yield f"miss: the key {short(self.key)} is not in the cache"
        if self.damaged:
            yield "an entry of this key is there, and its files are not whole"
        elif self.entry is None:
            yield "no entry was made of this recipe or of any of its files"
        else:
            yield f"the nearest entry is {short(self.entry)}, {self._origin()}; what differs:"
            yield from (f"- {difference}" for difference in self.differences)

    def line(self) -> str | None:
        """A line about a miss where an entry is near, None otherwise."""
        if self.hit or not self.differences:
            return None
        more = len(self.differences) - 2
        tail = f"; and {more} more differences" if more > 1 else ""
        told = self.differences[:2] if tail else self.differences
        return f"Rows are prepared again, because of: {'; '.join(told)}{tail}"

    def _origin(self) -> str:
        ago = "" if self.built is None else f" {age(time.time() - self.built)} ago"
        return f"built{ago}" + ("" if self.by is None else f" for {self.by}")

    def _agreement(self) -> Iterator[str]:
        libraries = self.parts.get("libraries", {})
        named = ", ".join(f"{name} {value}" for name, value in libraries.items() if value)
        yield f"- the same libraries: {named}"
        yield f"- the same code of recipe_runner: {short(str(self.parts.get('code')))}"
        tokenizer = self.parts.get("tokenizer", {})
        rules = f"{tokenizer.get('class')} {short(str(tokenizer.get('backend')))}"
        yield f"- the same tokenizer: {rules}"
        for source in self.parts.get("sources", ()):
            content = ", ".join(map(short, source["content"]))
            yield f"- the same rows: {content} ({source['format']['type']})"
        shared = self.parts.get("data", {})
        yield "- the same settings: " + ", ".join(
            f"{name} {json.dumps(value)}" for name, value in shared.items() if value is not None
        )


def explain(store: Store, key: Key, recipe: str, sources: Sequence[str]) -> Explanation:
    """Explain what `store` has for `key`.

    `sources` names the sources (training, then evaluation) as the recipe does.
    """
    own = Manifest.read(store.prepared / key.text)
    if own is not None and store.find(key.text) is not None:
        return _told(key.text, hit=True, entry=key.text, manifest=own)
    if own is not None or (store.prepared / key.text).exists():
        return Explanation(key.text, hit=False, damaged=True)
    found = [
        (len(differences(manifest.parts, key.parts, sources)), -_built(manifest), name, manifest)
        for name, manifest in _manifests(store)
        if manifest.about.get("recipe") == recipe
        or _contents(manifest.parts) & _contents(key.parts)
    ]
    if not found:
        return Explanation(key.text, hit=False)
    _, _, name, nearest = min(found, key=lambda each: each[:3])
    told = differences(nearest.parts, key.parts, sources)
    return _told(key.text, hit=False, entry=name, manifest=nearest, differences=tuple(told))


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], sources: Sequence[str] = ()
) -> list[str]:
    """What differs between the parts of two keys, the new value first."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    found = []
    for path in dict.fromkeys([*after, *before]):
        was, now = before.get(path, _MISSING), after.get(path, _MISSING)
        if was != now:
            found.append(_words(path, now, was, old, new, sources))
    return list(dict.fromkeys(found))


def short(digest: str) -> str:
    """The first digits of a key or a hash."""
    return digest[:_DIGITS]


def age(seconds: float) -> str:
    """Such as 5 s, 3 min, 2 h or 9 d."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def _told(
    key: str,
    *,
    hit: bool,
    entry: str,
    manifest: Manifest,
    differences: tuple[str, ...] = (),
) -> Explanation:
    by = manifest.about.get("recipe")
    return Explanation(
        key=key,
        hit=hit,
        entry=entry,
        by=None if by is None else str(by),
        built=_built(manifest),
        differences=differences,
        parts=manifest.parts,
    )


def _built(manifest: Manifest) -> float:
    return float(manifest.about.get("built", 0))


def _manifests(store: Store) -> Iterator[tuple[str, Manifest]]:
    folders: list[Path] = sorted(store.prepared.iterdir()) if store.prepared.is_dir() else []
    for folder in folders:
        if not folder.name.endswith(BUILDING) and (made := Manifest.read(folder)) is not None:
            yield folder.name, made


def _contents(parts: Mapping[str, Any]) -> set[str]:
    return {content for source in parts.get("sources", ()) for content in source["content"]}


_Path = tuple[str | int, ...]


def _leaves(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, Any]]:
    if isinstance(value, Mapping) and value and "sha256" not in value:
        for name, each in value.items():
            yield from _leaves(each, (*path, name))
    elif path == ("sources",):
        for number, each in enumerate(value):
            yield from _leaves(each, (*path, number))
    else:
        yield path, value


def _words(
    path: _Path,
    now: Any,
    was: Any,
    old: Mapping[str, Any],
    parts: Mapping[str, Any],
    sources: Sequence[str],
) -> str:
    had, has = len(old["sources"]), len(parts["sources"])
    match path:
        case ("layout",):
            return "recipe_runner keeps prepared data in another layout"
        case ("code",):
            return "recipe_runner: its code that turns rows into tokens changed"
        case ("libraries", name):
            return f"{name} {_value(now)}, was {_value(was)}"
        case ("tokenizer", "backend"):
            return "tokenizer: its vocabulary or its rules changed"
        case ("tokenizer", "chat_template", *_):
            return "tokenizer: its chat template changed"
        case ("train_sources",):
            return f"`data.train`: {_value(now)} sources, was {_value(was)}"
        case ("sources", int(number), *_) if number >= had:
            return f"{_place(number, parts, sources)}: added"
        case ("sources", int(number), *_) if number >= has:
            return f"source {number + 1} of {had}: left out"
        case ("sources", int(number), "content"):
            return f"{_place(number, parts, sources)}: content changed"
        case ("sources", int(number), "endings"):
            return f"{_place(number, parts, sources)}: its files have other endings"
        case ("sources", int(number), *rest):
            name = _source_key(number, parts)
            return _change(f"{name}.{'.'.join(map(str, rest))}", now, was)
        case ("chat_template", *rest) | ("chat_template_kwargs", *rest):
            return _change(".".join(map(str, ("tokenizer", path[0], *rest))), now, was)
    return _change(".".join(map(str, path)), now, was)


def _change(name: str, now: Any, was: Any) -> str:
    if isinstance(now, Mapping) and isinstance(was, Mapping):
        return f"`{name}` changed"
    return f"`{name}`: {_value(now)}, was {_value(was)}"


def _place(number: int, parts: Mapping[str, Any], sources: Sequence[str]) -> str:
    return sources[number] if number < len(sources) else _source_key(number, parts)


def _source_key(number: int, parts: Mapping[str, Any]) -> str:
    train = int(parts["train_sources"])
    role, place, count = (
        ("train", number, train)
        if number < train
        else ("eval", number - train, len(parts["sources"]) - train)
    )
    return f"data.{role}" if count == 1 else f"data.{role}[{place}]"


def _value(value: Any) -> str:
    if value is _MISSING or value is None or value in ([], {}):
        return "none"
    if isinstance(value, Mapping) and "sha256" in value:
        return "another text"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
