"""Reads the committed snapshots, one JSON file per upstream package.

A file is read when a target of its package is first asked for, and once per process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

JsonValue: TypeAlias = Any
"""None, bool, int, float, str, or a list or dict of these."""

SNAPSHOTS = Path(__file__).parent / "snapshots"
"""The folder of `<package>-<version>.json`, one file per package."""


@dataclass(frozen=True)
class UpstreamField:
    """One keyword argument of an upstream class.

    `default` is a JSON value. It is None, too, where the field is `required` and where
    the default is an object that JSON cannot hold; `opaque_default` then names that object.
    """

    name: str
    type: str
    required: bool = False
    default: JsonValue = None
    opaque_default: str | None = None
    deprecated: bool = False


@dataclass(frozen=True)
class Snapshot:
    """What one version of one package accepts, by the name of the class.

    A class of a module inside the package has that module before its name, as in
    "experimental.cpo:CPOConfig".
    """

    package: str
    version: str
    fields: Mapping[str, Mapping[str, UpstreamField]]
    values: Mapping[str, tuple[str, ...]]
    modules: Mapping[str, Mapping[str, tuple[str, ...]]]


def fields(target: str) -> Mapping[str, UpstreamField]:
    """The keyword arguments of the class `target`, in the order of its signature.

    Raises KeyError where no snapshot holds the class.
    """
    snapshot, name = _locate(target)
    if name not in snapshot.fields:
        raise KeyError(target)
    return snapshot.fields[name]


def values(target: str) -> tuple[str, ...]:
    """The values of the enumeration `target`, such as "transformers:OptimizerNames".

    Raises KeyError where no snapshot holds the enumeration.
    """
    snapshot, name = _locate(target)
    if name not in snapshot.values:
        raise KeyError(target)
    return snapshot.values[name]


def usual_modules(target: str, field: str, family: str) -> tuple[str, ...] | None:
    """Upstream's choice of modules for a `field` of the class `target` that is left null.

    `family` is the model's type. None where upstream has no choice for it.
    """
    snapshot, name = _locate(target)
    return snapshot.modules.get(f"{name}.{field}", {}).get(family)


@cache
def versions() -> Mapping[str, str]:
    """The version of each upstream package that the snapshots describe."""
    stems = sorted(path.stem for path in SNAPSHOTS.glob("*.json"))
    split = (stem.partition("-") for stem in stems)
    return MappingProxyType({package: version for package, _, version in split})


@cache
def targets() -> tuple[str, ...]:
    """Every target that `fields` or `values` knows, sorted."""
    snapshots = [_read(package) for package in versions()]
    return tuple(
        sorted(
            f"{snapshot.package}.{name}" if ":" in name else f"{snapshot.package}:{name}"
            for snapshot in snapshots
            for name in (*snapshot.fields, *snapshot.values)
        )
    )


def forget() -> None:
    """Read the snapshots again when they are next asked for, after they have been written."""
    for kept in (versions, targets, _read):
        kept.cache_clear()


def _locate(target: str) -> tuple[Snapshot, str]:
    module, _, name = target.partition(":")
    package, _, inner = module.partition(".")
    if package not in versions():
        raise KeyError(target)
    return _read(package), f"{inner}:{name}" if inner else name


@cache
def _read(package: str) -> Snapshot:
    version = versions()[package]
    raw = json.loads((SNAPSHOTS / f"{package}-{version}.json").read_text(encoding="utf-8"))
    return Snapshot(
        package=package,
        version=version,
        fields={
            owner: MappingProxyType(
                {name: UpstreamField(name, **field) for name, field in members.items()}
            )
            for owner, members in raw["fields"].items()
        },
        values={owner: tuple(members) for owner, members in raw["values"].items()},
        modules={
            field: {family: tuple(names) for family, names in known.items()}
            for field, known in raw.get("modules", {}).items()
        },
    )
