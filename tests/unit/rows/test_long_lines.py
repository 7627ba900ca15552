"""Rows that cannot be held or read: a few bytes of a compressed file may be gigabytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recipe_runner.components.base import create
from recipe_runner.components.source import Source
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.rows import RowProblem, Rows
from recipe_runner.rows.lines import LONGEST_LINE

LONG = b"a" * LONGEST_LINE


def rows_of(kind: str, folder: Path, name: str, *pieces: bytes) -> Rows | None:
    file = folder / f"{name}.gz"
    with gzip.open(file, "wb", compresslevel=1) as packed:
        for piece in pieces:
            packed.write(piece)
    source = create("recipe_runner.components.sources", {"type": kind})
    assert isinstance(source, Source)
    return source.rows([str(file)])


@pytest.mark.parametrize(
    ("kind", "name", "begin", "end", "other"),
    [
        ("json", "a.jsonl", b'{"text": "', b'"}\n', b'{"text": "x"}\n'),
        ("text", "a.txt", b"", b"\n", b"x\n"),
        ("csv", "a.csv", b"", b"\n", b"x\n"),
    ],
)
def test_a_line_above_the_bound_is_a_fault_of_its_row(
    kind: str, name: str, begin: bytes, end: bytes, other: bytes, tmp_path: Path
) -> None:
    header = b"text\n" if kind == "csv" else b""
    rows = rows_of(kind, tmp_path, name, header, other, begin, LONG, end, other)
    assert rows is not None
    first, second, third = (row for chunk in rows.chunks for _, row in rows.read(chunk))
    assert first == third == {"text": "x"}
    assert isinstance(second, RowProblem)
    length = len(begin + LONG + end)
    assert (
        second.message == f"is a line of {length:,} bytes, above the 67,108,864 that a row may have"
    )


def test_a_long_element_of_an_array_ends_the_reading(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        rows_of("json", tmp_path, "a.json", b'[{"text": "', LONG, LONG, LONG, b'"}]')
    (found,) = caught.value.diagnostics
    assert "an element has more than 67,108,864 characters" in found.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(b"1" * 5000, "a number of too many digits", id="digits"),
        pytest.param(b"[" * 100_000, "deeper than can be read", id="depth"),
    ],
)
def test_what_python_cannot_read_is_a_fault_of_its_row(
    value: bytes, words: str, tmp_path: Path
) -> None:
    broken, other = b'{"text": ' + value + b"}", b'{"text": "x"}'
    rows = rows_of("json", tmp_path, "a.jsonl", b"\n".join([other, broken, other]))
    assert rows is not None
    first, second, third = (row for chunk in rows.chunks for _, row in rows.read(chunk))
    assert first == third == {"text": "x"}
    assert isinstance(second, RowProblem)
    assert words in second.message
    with pytest.raises(DiagnosticError) as caught:
        rows_of("json", tmp_path, "a.json", b"[" + b",".join([other, broken]) + b"]")
    assert words in caught.value.diagnostics[0].message
