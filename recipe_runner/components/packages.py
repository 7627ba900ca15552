"""Which other packages are installed on this machine, and what does not fit to them.

By their metadata: none of them is imported.
"""

import importlib.metadata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_STACK = ("transformers", "trl", "peft", "accelerate")
"""Packages that may say which versions of an optional one they work with."""


@dataclass(frozen=True)
class Package:
    """A package that is installed. `clash` tells what does not fit to it, "" where all fits."""

    version: str
    clash: str = ""


def installed(names: Iterable[str]) -> dict[str, Package]:
    """Those of the packages that are installed, each with all that clashes with it."""
    found = ((name, _version(name)) for name in names)
    return {
        name: Package(version, "; ".join(_clashes(name, version)))
        for name, version in found
        if version is not None
    }


def _clashes(name: str, version: str) -> Iterator[str]:
    """What a package wants of others that they are not, and what others want of it."""
    try:
        from packaging.requirements import Requirement
    except ModuleNotFoundError:
        # It comes with the training stack, which a machine that checks recipes need not have.
        return

    for line in importlib.metadata.requires(name) or ():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        there = _version(wanted.name)
        # One that is missing may come by another name, such as Triton's builds for other devices.
        if there is not None and not wanted.specifier.contains(there, prereleases=True):
            yield f"{name} {version} wants {wanted.name}{wanted.specifier}, and {there} is installed"
    for other in _STACK:
        there = _version(other)
        for line in (importlib.metadata.requires(other) or ()) if there is not None else ():
            wanted = Requirement(line)
            same = wanted.name.lower().replace("_", "-") == name
            if same and not wanted.specifier.contains(version, prereleases=True):
                yield f"{other} {there} wants {name}{wanted.specifier}, and {version} is installed"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
