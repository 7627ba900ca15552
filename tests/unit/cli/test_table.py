"""Columns of text: aligned, and no wider than the screen where that can be."""

from __future__ import annotations

from recipe_runner.cli.table import table

ROWS = [("data/a-long-name/chat.jsonl", "1,000"), ("b.jsonl", "2")]


def test_numbers_stand_to_the_right() -> None:
    assert table(("", "rows"), ROWS) == (
        "                                rows\n"
        "  data/a-long-name/chat.jsonl  1,000\n"
        "  b.jsonl                          2\n"
    )


def test_a_long_path_loses_its_beginning_on_a_narrow_screen() -> None:
    assert table(("", "rows"), ROWS, width=25) == (
        "                     rows\n  ...me/chat.jsonl  1,000\n  b.jsonl               2\n"
    )


def test_a_name_is_not_shortened_beyond_recognition() -> None:
    _, second, _ = table(("", "rows"), ROWS, width=5).splitlines()
    assert second.startswith("  ...hat.jsonl  1,000")
