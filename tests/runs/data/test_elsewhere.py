"""Rows that are elsewhere: fetched once, kept by what the store says, and read like local ones."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import evaluation_examples, prepare
from recipe_runner.execute.data import remote as remote_module
from recipe_runner.plan import FormatPlan, LossPlan

pytestmark = pytest.mark.runs

PAIR = FormatPlan("prompt_completion", "prompt_completion")


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and remembers which files were sent."""

    sent: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        type(self).sent.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """A folder, the address at which it is served, and the paths that were asked for."""
    folder = tmp_path / "served"
    folder.mkdir()
    Quiet.sent = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}", Quiet.sent
    server.shutdown()
    thread.join()
    server.server_close()


def texts(tokenizer: Any, rows: Any) -> list[str]:
    answers = [tokenizer.decode([t for t in row["labels"] if t != -100]) for row in rows]
    return [answer.rstrip("\n") for answer in answers]


def code_and_message(caught: Any) -> tuple[str, str]:
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code.id, diagnostic.message


def at(source: Any, address: str, **values: Any) -> Any:
    return dataclasses.replace(source(Path(address), **values), path=address, files=(address,))


def test_a_file_of_the_web_is_fetched_once_and_again_after_it_changed(
    served: Any, chat: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    folder, url, sent = served
    file = folder / "chat.jsonl"
    file.write_text(json.dumps(chat("q", "first")) + "\n")
    made = plan(at(source, f"{url}/chat.jsonl"))
    assert texts(tokenizer, prepare(made, tokenizer).train) == ["first<|end|>"]
    again = prepare(made, tokenizer)
    assert again.receipt.cached
    assert sent.count("/chat.jsonl") == 1
    file.write_text("".join(json.dumps(chat("q", answer)) + "\n" for answer in ("new", "rows")))
    assert texts(tokenizer, prepare(made, tokenizer).train) == ["new<|end|>", "rows<|end|>"]
    assert sent.count("/chat.jsonl") == 2


def test_without_a_connection_the_last_copy_is_used(
    served: Any, chat: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    folder, url, _ = served
    (folder / "chat.jsonl").write_text(json.dumps(chat("q", "kept")) + "\n")
    made = plan(at(source, f"{url}/chat.jsonl"))
    prepare(made, tokenizer)
    (folder / "chat.jsonl").rename(folder / "gone.jsonl")
    with pytest.raises(DiagnosticError) as caught:
        prepare(made, tokenizer)
    code, message = code_and_message(caught)
    assert code == "RR439"
    assert "/chat.jsonl` cannot be fetched" in message


def test_processes_of_a_run_take_what_the_first_one_got(
    served: Any,
    chat: Any,
    plan: Any,
    source: Any,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, url, _ = served
    (folder / "chat.jsonl").write_text(json.dumps(chat("q", "first")) + "\n")
    made = plan(at(source, f"{url}/chat.jsonl"))
    key = prepare(made, tokenizer).receipt.key
    (folder / "chat.jsonl").write_text(json.dumps(chat("q", "changed meanwhile")) + "\n")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert prepare(made, tokenizer).receipt.key == key


def test_a_server_that_is_not_there_is_named(plan: Any, source: Any, tokenizer: Any) -> None:
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(at(source, "http://127.0.0.1:9/chat.jsonl")), tokenizer)
    assert code_and_message(caught)[0] == "RR439"


def test_a_pattern_means_all_files_in_the_order_of_their_names(
    chat: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    store = fsspec.filesystem("memory")
    for name in ("b", "a"):
        store.pipe(f"/set/{name}.jsonl", json.dumps(chat("q", name)).encode() + b"\n")
    store.pipe("/set/other.csv", b"x\n")
    for address in ("memory://set/*.jsonl", "memory://set"):
        made = plan(at(source, address))
        assert texts(tokenizer, prepare(made, tokenizer).train) == ["a<|end|>", "b<|end|>"]


def test_evaluation_rows_elsewhere_are_found_again(
    chat: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    store = fsspec.filesystem("memory")
    rows = "".join(json.dumps(chat("q", f"{n}")) + "\n" for n in range(20))
    store.pipe("/set/chat.jsonl", rows.encode())
    made = plan(at(source, "memory://set/chat.jsonl"), eval_split=0.25)
    examples = evaluation_examples(made, prepare(made, tokenizer), 5)
    assert len(examples) == 5


def test_a_store_whose_package_is_missing_names_it(
    plan: Any, source: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "find_spec", lambda _: None)
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(at(source, "s3://bucket/chat.jsonl")), tokenizer)
    code, message = code_and_message(caught)
    assert code == "RR436"
    assert "s3fs" in message


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Three pairs in an SQLite file."""
    file = tmp_path / "rows.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE pairs (id INTEGER, prompt TEXT, completion TEXT)")
        rows = [(n, f"{n} + 1 =", f" {n + 1}") for n in range(3)]
        connection.executemany("INSERT INTO pairs VALUES (?, ?, ?)", rows)
    connection.close()
    return file


def query(source: Any, address: str, text: str) -> Any:
    options = {"loader": "sql", "format": PAIR, "loss": LossPlan.of("completion")}
    return at(source, address, loader_options={"query": text}, **options)


@pytest.mark.parametrize("by", ["file", "environment"])
def test_a_query_gives_rows(
    by: str,
    database: Path,
    plan: Any,
    source: Any,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROWS", f"sqlite:///{database}")
    address = f"sqlite:///{database}" if by == "file" else "env:ROWS"
    if by == "environment":
        pytest.importorskip("sqlalchemy")
    made = plan(query(source, address, "SELECT prompt, completion FROM pairs ORDER BY id DESC"))
    first = prepare(made, tokenizer)
    assert texts(tokenizer, first.train) == [" 3<|end|>", " 2<|end|>", " 1<|end|>"]
    assert prepare(made, tokenizer).receipt.cached
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM pairs WHERE id = 0")
    connection.close()
    assert texts(tokenizer, prepare(made, tokenizer).train) == [" 3<|end|>", " 2<|end|>"]


@pytest.mark.parametrize("by", ["file", "environment"])
def test_a_query_changes_nothing(
    by: str,
    database: Path,
    plan: Any,
    source: Any,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROWS", f"sqlite:///{database}")
    address = f"sqlite:///{database}" if by == "file" else "env:ROWS"
    deletes = "WITH x AS (SELECT 1) DELETE FROM pairs RETURNING prompt, completion"
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(query(source, address, deletes)), tokenizer)
    assert code_and_message(caught)[0] == "RR439"
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pairs").fetchone() == (3,)
    connection.close()


@pytest.mark.parametrize(
    ("address", "text", "said"),
    [
        pytest.param("env:NOT_SET", "SELECT 1", "NOT_SET, which is not set", id="variable"),
        pytest.param("sqlite:///{file}", "SELECT a FROM nowhere", "no such table", id="table"),
        pytest.param("env:POSTGRES", "SELECT 1", "psycopg", id="driver"),
    ],
)
def test_a_database_that_gives_no_rows_says_why(
    address: str,
    text: str,
    said: str,
    database: Path,
    plan: Any,
    source: Any,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES", "postgresql+psycopg://ada:lovelace@127.0.0.1:9/x")
    made = query(source, address.format(file=database), text)
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(made), tokenizer)
    code, message = code_and_message(caught)
    assert code in ("RR439", "RR436")
    assert said in message
    assert "lovelace" not in str(caught.value.diagnostics)
