"""Prepared data that a disk or a program changed are told, not trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import prepare
from recipe_runner.execute.data.soundness import damages

pytestmark = pytest.mark.runs


def overwrite(file: Path, at: int, length: int) -> None:
    """Change bytes in place; the size stays."""
    content = bytearray(file.read_bytes())
    content[at : at + length] = bytes(255 - each for each in content[at : at + length])
    file.write_bytes(content)


def shortened(file: Path) -> None:
    """The same number of bytes with the end of the stream after the schema: no row."""
    import pyarrow as pa

    with pa.memory_map(str(file)) as mapped:
        schema = pa.ipc.open_stream(mapped).schema
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, schema).close()
    empty = sink.getvalue().to_pybytes()
    file.write_bytes(empty.ljust(file.stat().st_size, b"\0"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: overwrite(file, 0, 64),
        lambda file: overwrite(file, 300, 600),
        lambda file: file.write_bytes(b"\0" * file.stat().st_size),
        shortened,
    ],
    ids=["start", "schema and batch", "zeros", "no rows"],
)
def test_a_damaged_file_of_the_right_size_is_a_diagnostic(
    damage: Any, chats: Any, source: Any, plan: Any, tokenizer: Any
) -> None:
    made = plan(source(chats(20)))
    first = prepare(made, tokenizer)
    damage(first.folder / "tokens-0.arrow")
    with pytest.raises(DiagnosticError) as caught:
        prepare(made, tokenizer)
    (found,) = caught.value.diagnostics
    assert found.code.id == "RR455"
    assert "tokens-0.arrow" in found.message
    assert f"recipe-run cache verify --repair {first.receipt.key[:12]}" in (found.help or "")
    assert list(damages(first.folder)) == ["tokens-0.arrow has other content than was written"]


def test_verify_finds_a_changed_token_and_repair_removes_the_entry(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    made = plan(source(chats(20)))
    folder = prepare(made, tokenizer).folder
    other = prepare(plan(source(chats(3, "other.jsonl"))), tokenizer).folder
    tokens = folder / "tokens-0.arrow"
    overwrite(tokens, tokens.stat().st_size - 100, 1)
    # No quick look can find this one.
    assert prepare(made, tokenizer).receipt.cached
    done = verify(cache)
    assert done.returncode == 1
    assert f"{folder.name[:12]}  " in done.stdout
    assert "tokens-0.arrow has other content than was written" in done.stdout
    assert "1 entry sound, 1 damaged" in done.stdout
    assert verify(cache, other.name[:8]).returncode == 0
    assert verify(cache, "--repair").returncode == 0
    assert (folder.exists(), other.exists()) == (False, True)
    assert verify(cache).stdout.endswith("1 entry sound, 0 damaged\n")


def test_verify_tells_files_that_are_missing_or_cut(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    folder = prepare(plan(source(chats(20))), tokenizer).folder
    size = (folder / "tokens-0.arrow").stat().st_size
    os.truncate(folder / "tokens-0.arrow", 100)
    (folder / "rows-0.arrow").unlink()
    told = verify(cache).stdout
    assert f"tokens-0.arrow has 100 bytes, was {size:,}" in told
    assert "rows-0.arrow is missing" in told
    (folder / "manifest.json").write_text(json.dumps({"files": {}}))
    assert "manifest.json is missing or cannot be read" in verify(cache).stdout


def verify(cache: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "recipe_runner", "cache", "verify", *more],
        env={**os.environ, "RECIPE_RUNNER_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
