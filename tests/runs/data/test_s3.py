"""Rows in S3, against a server of our own; needs `s3fs` and `moto[server]`."""

from __future__ import annotations

import dataclasses
import gzip
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import prepare
from recipe_runner.execute.data.stream import Stream

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

pytestmark = pytest.mark.runs


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    s3fs = importlib.import_module("s3fs")
    running = server.ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.makedirs("bucket", exist_ok=True)
    yield store
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


def texts(tokenizer: Any, rows: Any) -> list[str]:
    answers = [tokenizer.decode([t for t in row["labels"] if t != -100]) for row in rows]
    return [answer.split("<")[0] for answer in answers]


def test_rows_of_s3(
    bucket: Any, chat: Any, plan: Any, source: Any, tokenizer: Any, cache: Path
) -> None:
    for name in ("b", "a"):
        lines = json.dumps(chat("q", name)).encode()
        bucket.pipe(f"bucket/set/{name}.jsonl.gz", gzip.compress(lines))
    address = "s3://bucket/set/*.jsonl.gz"
    made = dataclasses.replace(source(Path(address)), path=address, files=(address,))
    assert texts(tokenizer, prepare(plan(made), tokenizer).train) == ["a", "b"]
    assert prepare(plan(made), tokenizer).receipt.cached
    stream = Stream(plan(made, streaming=True, shuffle=False), tokenizer, cache)
    assert texts(tokenizer, stream) == ["a", "b"]
    bucket.pipe("bucket/set/a.jsonl.gz", gzip.compress(json.dumps(chat("q", "other")).encode()))
    assert texts(tokenizer, prepare(plan(made), tokenizer).train) == ["other", "b"]


def test_a_bucket_that_is_not_there_is_named(
    bucket: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    assert bucket.exists("bucket")
    address = "s3://nowhere/chat.jsonl"
    made = dataclasses.replace(source(Path(address)), path=address, files=(address,))
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(made), tokenizer)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR439"
    assert address in diagnostic.message
