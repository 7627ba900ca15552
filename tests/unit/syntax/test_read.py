"""Files and standard input: bytes that are and are not a recipe."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from recipe_runner.syntax import read

RECIPE = "recipe: 1\nname: é\n"

UNREADABLE: dict[str, tuple[bytes, str]] = {
    "latin-1": ("recipe: 1\nname: aé\n".encode("latin-1"), "2:8 RR005"),
    "cut-character": ("recipe: 1\nname: é".encode()[:-1], "2:7 RR005"),
    "bom-and-latin-1": (b"\xef\xbb\xbfa: \xe9\n", "1:4 RR005"),
    "utf-16-le": (RECIPE.encode("utf-16"), "1:1 RR006"),
    "utf-16-be": (b"\xfe\xff" + RECIPE.encode("utf-16-be"), "1:1 RR006"),
    "utf-16-without-mark": ("recipe: 1\n".encode("utf-16-le"), "1:1 RR006"),
    "utf-32": (RECIPE.encode("utf-32"), "1:1 RR006"),
    "too-large": (b"#" * (1024 * 1024 + 1), "1:1 RR007"),
    "nul": (b"recipe: 1\nname: a\0b\n", "2:8 RR008"),
    "empty": (b"", "1:1 RR114"),
}


@pytest.mark.parametrize(("data", "expected"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_bytes_that_are_no_recipe(tmp_path: Path, data: bytes, expected: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(data)
    document, (diagnostic,) = read(path)
    assert document is None
    start = diagnostic.place.span.start
    assert f"{start.line}:{start.column} {diagnostic.code.id}" == expected
    assert diagnostic.place.path == str(path)


def test_bytes_that_are_not_utf8_are_told_as_the_letter_they_may_be(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes("name: é\n".encode("latin-1"))
    _, (diagnostic,) = read(path)
    assert diagnostic.message == "the byte 0xe9 is not UTF-8, in Windows-1252 `é`"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_utf8_is_read_with_and_without_byte_order_mark(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(mark + RECIPE.encode())
    document, diagnostics = read(str(path))
    assert diagnostics == ()
    assert document is not None
    assert document.value == {"recipe": 1, "name": "é"}
    assert document.spans["recipe",].value.start.column == 9


def test_exactly_one_mebibyte_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"a: 1\n" + b"#" * (1024 * 1024 - 5))
    assert read(path)[1] == ()


def test_missing_file(tmp_path: Path) -> None:
    _, (diagnostic,) = read(tmp_path / "none" / "r.yaml")
    assert diagnostic.code.id == "RR001"
    assert "does not exist either" in diagnostic.help


def test_directory(tmp_path: Path) -> None:
    _, (diagnostic,) = read(tmp_path)
    assert diagnostic.code.id == "RR002"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.touch(mode=0)
    _, (diagnostic,) = read(path)
    assert diagnostic.code.id == "RR003"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"], ids=["too-long", "nul"])
def test_path_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    _, (diagnostic,) = read(f"{tmp_path}/{name}")
    assert diagnostic.code.id == "RR004"
    assert "\0" not in diagnostic.place.path


def test_link_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.symlink_to(path)
    _, (diagnostic,) = read(path)
    assert diagnostic.code.id == "RR004"


@pytest.mark.parametrize(
    "stdin",
    [
        io.StringIO("a: b: c\n"),
        io.BytesIO(b"a: b: c\n"),
        io.TextIOWrapper(io.BytesIO(b"a: b: c\r\n"), encoding="ascii"),
    ],
    ids=["text", "bytes", "text-over-bytes"],
)
def test_dash_reads_standard_input(stdin: io.StringIO | io.BytesIO | io.TextIOWrapper) -> None:
    _, (diagnostic,) = read("-", stdin=stdin)
    assert diagnostic.code.id == "RR120"
    assert diagnostic.place.path == "<stdin>"
    assert diagnostic.place.line_text == "a: b: c"


def test_standard_input_is_read_up_to_the_limit() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"#" * size

    _, (diagnostic,) = read("-", stdin=Endless())  # type: ignore[arg-type]  # reads, no more
    assert diagnostic.code.id == "RR007"


def test_dash_without_standard_input_is_a_file_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_text("a: 1\n")
    document, _ = read("-")
    assert document is not None
    assert document.path == "-"
