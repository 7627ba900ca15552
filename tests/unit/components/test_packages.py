"""Packages that are installed are told with what does not fit to them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recipe_runner.components.packages import installed


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that is looked at before all others."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def put(site: Path, name: str, version: str, *requires: str) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("requires", "clash"),
    [
        ((), ""),
        (("fastbase>=1",), ""),
        (("fastbase<=0.9,!=0.5",), "quick 2.0 wants fastbase!=0.5,<=0.9, and 1.0 is installed"),
        # Nobody has asked for the extra, the other system is not this one, and a package that is
        # not there may come by another name.
        (('fastbase<=0.9; extra == "all"',), ""),
        (('fastbase<=0.9; sys_platform == "other"',), ""),
        (("nowhere>=3",), ""),
    ],
)
def test_clashes_are_told_by_name_and_versions(
    requires: tuple[str, ...], clash: str, site: Path
) -> None:
    put(site, "fastbase", "1.0")
    put(site, "quick", "2.0", *requires)
    found = installed(["quick", "missing-one"])
    assert set(found) == {"quick"}
    assert (found["quick"].version, found["quick"].clash) == ("2.0", clash)


def test_the_training_stack_may_want_another_version_of_a_package(site: Path) -> None:
    put(site, "quick", "2.0")
    put(site, "transformers", "99.0", 'quick<3,>=2.5; extra == "fast"')
    clash = installed(["quick"])["quick"].clash
    assert clash == "transformers 99.0 wants quick<3,>=2.5, and 2.0 is installed"
