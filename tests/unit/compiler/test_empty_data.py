"""A data set without rows is told as that, whatever its format is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workshop import BASE, workshop


@pytest.mark.parametrize("format_", [None, "messages"], ids=["auto", "stated"])
def test_an_empty_evaluation_set_has_no_rows(tmp_path: Path, format_: str | None) -> None:
    shop = workshop(tmp_path)
    (shop.folder / "data" / "empty.jsonl").write_text("\n")
    held: dict[str, Any] = {"path": "data/empty.jsonl"}
    if format_ is not None:
        held["format"] = format_
    compiled = shop.compile({**BASE, "data": {"train": "data/chat.jsonl", "eval": [held]}})
    assert [d.code.id for d in compiled.report] == ["RR406"]
