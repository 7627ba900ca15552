"""What a person sees of a row: trained text stands out, and nothing steers the terminal."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from rich.cells import cell_len

from recipe_runner.cli import preview_html, preview_json
from recipe_runner.cli.preview_page import page
from recipe_runner.execute.preview import Count, PreviewRow, Problem, Shown, Source, summary_of
from recipe_runner.execute.preview.pieces import Piece
from recipe_runner.rows import Where

SOURCE = Source("train", 1, "data/chat.jsonl")
EVIL = "\x1b[31m\u202e<script>alert('x')</script>\"&"
ROW = PreviewRow(
    SOURCE,
    Where(3, "/data/chat.jsonl", 3),
    tokens=6,
    trained=2,
    truncated=1,
    roles={"user": Count(2), "assistant": Count(3, 2), "template": Count(1)},
    pieces=(
        Piece("<|im_start|>", (1,), special="special", role="template"),
        Piece("Hi\n", (5,), role="user"),
        Piece(EVIL, (6,), role="user"),
        Piece("gone", (7,), role="user", cut=True),
        Piece("Yes", (8, 9), 1.0, role="assistant"),
        Piece("half", (10,), 0.5, role="assistant"),
        Piece("<|im_end|>", (2,), 1.0, special="eos", role="assistant"),
    ),
)
BROKEN = PreviewRow(SOURCE, Where(4), problem=Problem("malformed", "is no JSON", "drop"))
SHOWN = (Shown("the first 2 rows", (ROW, BROKEN)),)


def text(width: int = 80, color: bool = False) -> str:
    return page(SHOWN, summary_of([ROW, BROKEN]), width=width, color=color)


def test_without_color_brackets_stand_around_what_trains() -> None:
    shown = text(width=120)
    assert "⟪gone⟫⟦Yes⟧⟦×0.5 half⟧⟦<|im_end|>⟧" in shown
    assert "<|im_start|>Hi↵\n" in shown


def test_with_color_the_text_is_the_same() -> None:
    colored = text(color=True)
    assert "\x1b[1;32mYes\x1b[0m" in colored
    assert "\x1b[7;32m<|im_end|>\x1b[0m" in colored
    assert "⟦" not in colored


@pytest.mark.parametrize("color", [False, True], ids=["plain", "color"])
def test_nothing_of_the_data_steers_the_terminal(color: bool) -> None:
    shown = text(color=color)
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown
    assert "<U+001B>[31m<U+202E><script>" in shown


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_the_terminal(width: int) -> None:
    wide = Piece("日本語 text " * 60, (1,), role="user")
    row = PreviewRow(SOURCE, Where(1), tokens=1, pieces=(wide,))
    shown = page([Shown("rows", (row,))], summary_of([row]), width=width, color=False)
    body = shown[shown.index("日") : shown.index("In these rows")]
    assert max(cell_len(line) for line in body.splitlines()) <= width
    assert body.replace("\n  ", "").strip() == wide.text.strip()


def test_a_broken_row_is_there_with_its_reason() -> None:
    assert "Row 4 of data/chat.jsonl" in text()
    assert "this row is left out: it is no JSON" in text()


def test_no_row_is_said() -> None:
    shown = page([Shown("the first rows", ())], summary_of([]), width=80, color=False)
    assert "The first rows: there are none" in shown


class Reader(HTMLParser):
    """Collects elements, links and the text of the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._inside = self._inside or tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""


def html() -> tuple[str, Reader]:
    written = preview_html.render("<evil>.yaml", SHOWN, summary_of([ROW, BROKEN]))
    reader = Reader()
    reader.feed(written)
    return written, reader


def test_the_page_fetches_nothing() -> None:
    written, reader = html()
    assert not {"link", "img", "iframe", "object"} & set(reader.tags)
    assert not {"src", "href"} & {name for name, _ in reader.attributes}
    assert "default-src 'none'" in written
    assert "http://" not in written
    assert "https://" not in written


def test_the_page_escapes_the_data() -> None:
    written, reader = html()
    assert reader.tags.count("script") == 1
    assert "<evil>" not in written
    assert "<script>alert" in reader.text
    assert "\x1b" not in written


def test_the_page_names_each_token() -> None:
    _, reader = html()
    titles = [value for name, value in reader.attributes if name == "title"]
    assert "id 8, 9 · assistant · trained" in titles
    assert "id 10 · assistant · trained · weight 0.5" in titles
    assert "id 2 · assistant · eos · trained" in titles
    assert "id 7 · user · cut off" in titles


def test_json_has_everything() -> None:
    value = json.loads(preview_json.render("recipe.yaml", SHOWN, summary_of([ROW, BROKEN])))
    good, bad = value["shown"][0]["rows"]
    assert "".join(piece["text"] for piece in good["pieces"]) == "".join(p.text for p in ROW.pieces)
    assert good["roles"]["assistant"] == {"tokens": 3, "trained_tokens": 2}
    assert bad["problem"] == {
        "reason": "malformed",
        "message": "is no JSON",
        "outcome": "drop",
        "code": None,
    }
    assert value["summary"]["problems"] == {"malformed": 1}
