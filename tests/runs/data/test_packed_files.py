"""Compressed text is read like plain text, and damage is told with the file's name."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.components.sources.csv import Csv
from recipe_runner.components.sources.json import Json
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import prepare
from recipe_runner.plan import FormatPlan, LossPlan, RowPolicy

pytestmark = pytest.mark.runs

PAIR = FormatPlan("prompt_completion", "prompt_completion")
PAIRS = [{"prompt": f"{n} + 1 =", "completion": f" {n + 1}"} for n in range(1200)]


def zstandard(data: bytes) -> bytes:
    """Two frames, one after the other, as `cat a.zst b.zst` makes them."""
    package = pytest.importorskip("zstandard")
    compress = package.ZstdCompressor().compress
    return bytes(compress(data[:100]) + compress(data[100:]))


PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard,
}
each_packing = pytest.mark.parametrize("packing", PACK)


def as_lines() -> bytes:
    return "".join(json.dumps(pair) + "\n" for pair in PAIRS).encode()


def as_array() -> bytes:
    return json.dumps(PAIRS, indent=1).encode()


def as_table(dialect: str) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["prompt", "completion"], dialect=dialect)
    writer.writeheader()
    writer.writerows(PAIRS)
    return text.getvalue().encode("utf-8-sig")


@pytest.mark.parametrize(
    ("loader", "suffix", "content"),
    [
        pytest.param("json", ".jsonl", as_lines(), id="json-lines"),
        pytest.param("json", ".json", as_array(), id="json-array"),
        pytest.param("csv", ".csv", as_table("excel"), id="csv"),
        pytest.param("csv", ".tsv", as_table("excel-tab"), id="tsv"),
    ],
)
@each_packing
def test_packed_rows_are_those_of_the_plain_file(
    packing: str,
    loader: str,
    suffix: str,
    content: bytes,
    tmp_path: Path,
    plan: Any,
    source: Any,
    tokenizer: Any,
) -> None:
    file = tmp_path / f"data{suffix}{packing}"
    file.write_bytes(PACK[packing](content))
    kind = Json(type="json") if loader == "json" else Csv(type="csv")
    head = kind.rows([str(file)])  # what `check` sees
    assert head is not None
    assert len(head) == len(PAIRS)
    assert [row for chunk in head.chunks for _, row in head.read(chunk)] == PAIRS
    made = source(file, loader=loader, format=PAIR, loss=LossPlan.of("completion"))
    prepared = prepare(plan(made, num_proc=2), tokenizer)
    answers = [tokenizer.decode(row["input_ids"]) for row in prepared.train]
    assert answers == [f"{pair['prompt']}{pair['completion']}<|end|>" for pair in PAIRS]
    left = [path.name for path in prepared.folder.iterdir() if "content" in path.name]
    assert not left
    assert not (prepared.folder / "work").exists()


@each_packing
def test_a_broken_row_has_the_line_of_the_packed_file(
    packing: str, tmp_path: Path, plan: Any, source: Any, tokenizer: Any
) -> None:
    file = tmp_path / f"data.jsonl{packing}"
    file.write_bytes(PACK[packing](as_lines() + b"{broken\n" + as_lines()))
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(file, format=PAIR, loss=LossPlan.of("completion"))), tokenizer)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR402"
    assert diagnostic.place.path == str(file)
    assert diagnostic.place.span is not None
    assert diagnostic.place.span.start.line == 1201


@each_packing
@pytest.mark.parametrize("policy", ["error", "drop"])
def test_a_file_that_breaks_off_is_never_taken_for_whole(
    policy: Any, packing: str, tmp_path: Path, plan: Any, source: Any, tokenizer: Any
) -> None:
    file = tmp_path / f"data.jsonl{packing}"
    whole = PACK[packing](as_lines())
    file.write_bytes(whole[: len(whole) - 50])
    made = source(file, format=PAIR, on_bad_row=RowPolicy.of(policy))
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(made), tokenizer)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR403"
    assert file.name in diagnostic.message


@each_packing
def test_a_file_of_another_kind_is_named(
    packing: str, tmp_path: Path, plan: Any, source: Any, tokenizer: Any
) -> None:
    if packing == ".zst":
        pytest.importorskip("zstandard")
    file = tmp_path / f"data.jsonl{packing}"
    file.write_bytes(as_lines())
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(file, format=PAIR)), tokenizer)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR435"
    assert diagnostic.place.path == str(file)
