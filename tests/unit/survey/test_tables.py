"""Parquet and Arrow files are looked at before a run where pyarrow is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workshop import BASE, CHAT, Workshop, workshop

pyarrow = pytest.importorskip("pyarrow")

TOOL_FREE = {**CHAT["messages"][1], "tool_calls": None}


def write(kind: str, path: Path, rows: list[dict[str, Any]]) -> None:
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(rows)
    if kind == "parquet":
        parquet.write_table(table, path)
        return
    opened = pyarrow.ipc.new_stream if kind == "arrow-stream" else pyarrow.ipc.new_file
    with opened(str(path), table.schema) as writer:
        writer.write_table(table)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


@pytest.mark.parametrize("kind", ["parquet", "arrow-stream", "arrow-file"])
def test_format_and_rows_of_a_table_are_recognised(kind: str, shop: Workshop) -> None:
    name = f"chat.{kind.partition('-')[0]}"
    rows = [{"messages": [CHAT["messages"][0], TOOL_FREE]}] * 7
    write(kind, shop.folder / "data" / name, rows)
    plan = shop.plan({**BASE, "data": {"train": f"data/{name}"}})
    (source,) = plan.data.train
    assert (source.rows, source.format.type, source.loader) == (7, "messages", name[5:])


def test_rows_of_a_table_that_do_not_fit_are_told(shop: Workshop) -> None:
    write("parquet", shop.folder / "data" / "bad.parquet", [{"prompt": "a", "answer": "b"}])
    train = {"path": "data/bad.parquet", "format": "prompt_completion"}
    compiled = shop.compile({**BASE, "data": {"train": train}})
    assert [d.code.id for d in compiled.report] == ["RR404"]


def test_a_file_that_is_no_table_asks_for_the_format(shop: Workshop) -> None:
    (shop.folder / "data" / "no.parquet").write_text("PAR0")
    compiled = shop.compile({**BASE, "data": {"train": "data/no.parquet"}})
    assert [d.code.id for d in compiled.report] == ["RR407"]
