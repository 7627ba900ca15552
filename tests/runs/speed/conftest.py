"""Packages that are not there, for tests of what is done with them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package for the length of a test."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    known = set(sys.modules)

    def install(package: str, module: str, text: str, version: str = "1.0") -> None:
        info = tmp_path / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        meta = f"Metadata-Version: 2.4\nName: {package}\nVersion: {version}\n"
        (info / "METADATA").write_text(meta, encoding="utf-8")
        folder = tmp_path / module.replace(".", "/")
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()

    yield install
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in ("flash_attn", "flash_attn_interface", "unsloth"):
            del sys.modules[name]
