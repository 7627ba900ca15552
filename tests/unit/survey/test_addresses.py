"""What a path means: files here, files elsewhere, databases; and nothing is fetched to tell."""

from __future__ import annotations

import bz2
import gzip
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError, Place
from recipe_runner.recipe.sections import SourceSpec
from recipe_runner.survey.data import SourceFacts, survey_source

ROWS = [{"prompt": f"{n}", "completion": "x"} for n in range(30)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def survey(base: Path, path: str, **values: Any) -> SourceFacts:
    spec = SourceSpec.model_validate({"path": path, **values})
    return survey_source(spec, base, Place("recipe.yaml"))


def refusal(base: Path, path: str, **values: Any) -> tuple[str, str]:
    with pytest.raises(DiagnosticError) as caught:
        survey(base, path, **values)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code.id, f"{diagnostic.message} {diagnostic.help}"


@pytest.mark.parametrize(
    ("name", "pack", "loader"),
    [
        ("a.jsonl", bytes, "json"),
        ("a.jsonl.gz", gzip.compress, "json"),
        ("A.JSON.BZ2", bz2.compress, "json"),
        ("a.txt.gz", gzip.compress, "text"),
    ],
)
def test_compressed_text_is_looked_into(
    name: str, pack: Callable[[bytes], bytes], loader: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(pack(LINES))
    facts = survey(tmp_path, name)
    assert (facts.loader, facts.rows, len(facts.sample)) == (loader, 30, 30)


def test_a_compressed_tsv_has_tabs(tmp_path: Path) -> None:
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"prompt\tcompletion\n1, 2\tx\n"))
    facts = survey(tmp_path, "a.tsv.gz")
    assert facts.loader == "csv"
    assert facts.first_row == {"prompt": "1, 2", "completion": "x"}


def test_a_compressed_table_is_no_kind_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(b"x"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.parquet.gz").write_bytes(b"x")
    assert refusal(tmp_path, "a.parquet.gz")[0] == "RR401"
    assert refusal(tmp_path, "folder")[0] == "RR401"


@pytest.mark.parametrize("path", ["set", "set/*.jsonl*", "set/**/*.jsonl*", "{base}/set"])
def test_folders_and_patterns_give_their_files_sorted(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("b.jsonl.gz", "a.jsonl", ".hidden", "README.md"):
        (folder / name).write_bytes(gzip.compress(LINES) if name.endswith("gz") else LINES)
    facts = survey(tmp_path, path.format(base=tmp_path))
    assert [Path(file).name for file in facts.files] == ["a.jsonl", "b.jsonl.gz"]
    assert facts.rows == 60


@pytest.mark.parametrize(
    ("path", "loader"),
    [
        ("s3://bucket/chat.jsonl", "json"),
        ("S3://bucket/folder/*.jsonl.gz", "json"),
        ("gs://bucket/chat.parquet", "parquet"),
        ("az://container/chat.csv.zst", "csv"),
        ("abfs://container/chat.arrow", "arrow"),
        ("hf://datasets/org/set/data/train.parquet", "parquet"),
        ("https://example.com/a/chat.jsonl?download=true", "json"),
        ("http://localhost:8000/chat.txt", "text"),
        ("http://127.0.0.1/chat.tsv", "csv"),
    ],
)
def test_files_elsewhere_are_told_by_their_ending(path: str, loader: str, tmp_path: Path) -> None:
    facts = survey(tmp_path, path)
    assert facts == SourceFacts(loader, (path,)) or (facts.loader, facts.files) == (loader, (path,))
    assert facts.rows is None
    assert facts.sample == ()


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("s3://bucket/chat", "RR401", "set `source`"),
        ("ftp://host/chat.jsonl", "RR437", "scheme `ftp`"),
        ("postgresql://db/rows", "RR437", "set `source: {type: sql"),
        ("env:ROWS", "RR437", "set `source: {type: sql"),
        ("http://example.com/chat.jsonl", "RR437", "https"),
        ("http://localhost.example.com/chat.jsonl", "RR437", "https"),
        ("https://ada:pw@example.com/chat.jsonl", "RR438", "example.com/chat.jsonl"),
        ("https://example.com/chat.jsonl?X-Amz-Signature=abc", "RR438", "AWS_ACCESS_KEY_ID"),
        ("https://example.com/chat.jsonl?sv=1&sig=abc", "RR438", "signature"),
    ],
)
def test_addresses_that_cannot_be(path: str, code: str, said: str, tmp_path: Path) -> None:
    found, message = refusal(tmp_path, path)
    assert found == code
    assert said in message
    assert "pw" not in message
    assert "abc" not in message


QUERY = {"source": {"type": "sql", "query": "SELECT 1"}}


def test_a_database_file_is_seen_from_the_recipe(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "rows.db").close()
    (tmp_path / "rows.db").touch()
    facts = survey(tmp_path, "sqlite:///rows.db", **QUERY)
    assert facts.files == (f"sqlite:///{tmp_path}/rows.db",)
    assert survey(tmp_path, f"sqlite:///{tmp_path}/rows.db", **QUERY).files == facts.files
    assert survey(tmp_path, "env:ROWS", **QUERY).files == ("env:ROWS",)
    assert survey(tmp_path, "mysql://db/rows", **QUERY).loader == "sql"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("sqlite:///nowhere.db", "RR401"),
        ("rows.db", "RR437"),
        ("env:not a name", "RR437"),
        ("postgresql://ada:lovelace@db/rows", "RR438"),
    ],
)
def test_databases_that_cannot_be(path: str, code: str, tmp_path: Path) -> None:
    found, message = refusal(tmp_path, path, **QUERY)
    assert found == code
    assert "lovelace" not in message


@pytest.mark.parametrize("query", ["DROP TABLE pairs", "  delete from pairs", "selection", ""])
def test_a_query_only_reads(query: str) -> None:
    with pytest.raises(ValueError, match="query"):
        SourceSpec.model_validate({"path": "env:A", "source": {"type": "sql", "query": query}})
