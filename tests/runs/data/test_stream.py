"""A stream gives the rows that preparing gives, in an order that only the seed decides."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipe_runner.components.sources.json import Json
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import prepare
from recipe_runner.execute.data.stream import Stream
from recipe_runner.plan import RowPolicy
from recipe_runner.rows.packed import unpacked

pytestmark = pytest.mark.runs


@pytest.fixture
def stream(plan: Any, tokenizer: Any, cache: Path) -> Any:
    def make(*sources: Any, **values: Any) -> Stream:
        cache.mkdir(exist_ok=True)
        made = plan(*sources, streaming=True, **{"shuffle": False, **values})
        return Stream(made, tokenizer, cache)

    return make


def ids(rows: Any) -> list[list[int]]:
    return [[int(n) for n in (*row["input_ids"], *row["labels"])] for row in rows]


def answers(tokenizer: Any, rows: Any) -> list[int]:
    texts = [tokenizer.decode([t for t in row["labels"] if t != -100]) for row in rows]
    return [int(text.split("<")[0].split()[-1]) for text in texts]


@pytest.fixture
def two(jsonl: Any, chat: Any, source: Any) -> tuple[Any, Any]:
    """60 rows that answer 0 to 59, and 20 that answer 100 to 119."""
    small = jsonl([chat("q", f"{n}") for n in range(60)], "a.jsonl")
    large = jsonl([chat("q", f"{n}") for n in range(100, 120)], "b.jsonl")
    return source(small), source(large)


@pytest.mark.parametrize(
    ("weights", "values"),
    [
        pytest.param((None, None), {}, id="concatenate"),
        pytest.param((None, None), {"mix_strategy": "interleave"}, id="in-turns"),
        pytest.param((0.7, 0.3), {"mix_strategy": "interleave", "seed": 3}, id="by-probability"),
        pytest.param(
            (0.7, 0.3),
            {"mix_strategy": "interleave", "mix_stopping": "all_exhausted"},
            id="until-all-are-exhausted",
        ),
    ],
)
def test_a_stream_has_the_tokens_and_the_order_of_prepared_rows(
    weights: Any, values: Any, two: tuple[Any, Any], stream: Any, plan: Any, tokenizer: Any
) -> None:
    sources = (
        dataclasses.replace(two[0], limit=50, probability=weights[0]),
        dataclasses.replace(two[1], repeat=2, probability=weights[1]),
    )
    expected = ids(prepare(plan(*sources, **values), tokenizer).train)
    rows = ids(stream(*sources, **values))
    # In turns, a stream ends with the last row of the set that ends it, prepared rows with
    # the turn.
    assert rows == expected[: len(rows)]
    assert len(expected) - len(rows) < 2


def packed(path: Path, rows: list[Any]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


def lines(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def array(path: Path, rows: list[Any]) -> None:
    path.write_text(json.dumps(rows, indent=1))


def table(path: Path, rows: list[Any]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize(
    ("loader", "name", "write"),
    [
        ("json", "data.jsonl.gz", packed),
        ("json", "data.json", array),
        ("json", "data.json.gz", packed),
        ("parquet", "data.parquet", table),
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_every_kind_of_file_streams(
    elsewhere: bool,
    loader: str,
    name: str,
    write: Any,
    tmp_path: Path,
    stream: Any,
    source: Any,
    chat: Any,
    tokenizer: Any,
) -> None:
    write(tmp_path / name, [chat("q", f"{n}") for n in range(150)])
    made = source(tmp_path / name, loader=loader)
    if elsewhere:
        address = f"memory://streamed/{name}"
        fsspec.filesystem("memory").pipe(f"/streamed/{name}", (tmp_path / name).read_bytes())
        made = dataclasses.replace(made, path=address, files=(address,))
    assert answers(tokenizer, stream(made)) == list(range(150))


def test_a_hub_data_set_streams(
    tmp_path: Path, stream: Any, source: Any, chat: Any, tokenizer: Any
) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    for split, first in (("train", 0), ("test", 100)):
        rows = [json.dumps(chat("q", f"{n}")) for n in range(first, first + 10)]
        (folder / f"{split}.jsonl").write_text("\n".join(rows))
    made = source(folder, loader="hub", revision="a" * 40, split="test")
    rows = stream(dataclasses.replace(made, files=()))
    assert answers(tokenizer, rows) == list(range(100, 110))


def test_the_shuffle_depends_on_seed_and_epoch_alone(
    two: tuple[Any, Any], stream: Any, tokenizer: Any
) -> None:
    def drawn(seed: int, epoch: int, buffer: int = 1000) -> list[int]:
        made = stream(*two, shuffle=True, shuffle_buffer=buffer, seed=seed)
        made.set_epoch(epoch)
        return answers(tokenizer, made)

    assert drawn(1, 0) == drawn(1, 0)
    assert len({tuple(drawn(*each)) for each in ((1, 0), (1, 1), (2, 0))}) == 3
    assert sorted(drawn(1, 1)) == [*range(60), *range(100, 120)]
    # A row comes out only after it was read, and at most the buffer is read ahead.
    near = [n for n in drawn(1, 0, buffer=5) if n < 100]
    assert near != sorted(near)
    assert all(n < at + 5 + 1 for at, n in enumerate(near))


def test_a_fraction_of_a_stream_is_drawn_by_row_and_stays_the_same(
    chats: Any, stream: Any, source: Any, tokenizer: Any
) -> None:
    made = source(chats(2000), fraction_of_rows=0.1)
    first, again, other = (answers(tokenizer, stream(made, seed=s)) for s in (1, 1, 2))
    assert first == again != other
    assert first == sorted(set(first))
    assert 140 < len(first) < 260  # 200 expected, 13 is a standard deviation


def test_rows_left_out_are_counted_and_others_stop_the_run(
    jsonl: Any, chat: Any, stream: Any, source: Any, tokenizer: Any
) -> None:
    file = jsonl([chat("q", "1"), "{broken\n", chat("q", "2"), {"messages": []}, chat("q", "3")])
    made = stream(source(file, on_bad_row=RowPolicy.of("drop")))
    assert answers(tokenizer, made) == [1, 2, 3]
    (receipt,) = made.receipts()
    assert (receipt.read, receipt.used, receipt.rows) == (5, 3, 3)
    assert sum(each.rows for each in receipt.dropped) == 2
    assert "5 rows streamed, 2 left out" in next(made.told())
    with pytest.raises(DiagnosticError) as caught:
        list(stream(source(file)))
    first = caught.value.diagnostics[0]
    assert first.code.id == "RR402"
    assert first.place.path == str(file)
    assert first.place.span is not None
    assert first.place.span.start.line == 2


def test_a_stream_without_a_usable_row_says_so(
    jsonl: Any, stream: Any, source: Any, chat: Any
) -> None:
    file = jsonl([{"messages": []}] * 3)
    with pytest.raises(DiagnosticError) as caught:
        list(stream(source(file, on_bad_row=RowPolicy.of("drop"))))
    assert [d.code.id for d in caught.value.diagnostics] == ["RR427"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_processes_share_each_batch_of_one_process(
    shuffle: bool, two: tuple[Any, Any], stream: Any, tokenizer: Any
) -> None:
    from accelerate.data_loader import prepare_data_loader
    from torch.utils.data import DataLoader

    def batches(processes: int, rank: int) -> list[list[int]]:
        loader = DataLoader(
            stream(*two, shuffle=shuffle),
            batch_size=8 // processes,
            collate_fn=lambda rows: answers(tokenizer, rows),
        )
        shared = prepare_data_loader(
            loader,
            num_processes=processes,
            process_index=rank,
            dispatch_batches=False,
            put_on_device=False,
        )
        return list(shared)

    alone = batches(1, 0)
    both = [a + b for a, b in zip(batches(2, 0), batches(2, 1), strict=True)]
    assert both == alone
    assert Counter(chain.from_iterable(alone)) == Counter([*range(60), *range(100, 120)])


class Counting(io.RawIOBase):
    """A file that counts the bytes that were taken from it."""

    def __init__(self, file: Path, taken: list[int]) -> None:
        self.file, self.taken = file.open("rb"), taken

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self.file.readinto(buffer)
        self.taken.append(int(count))
        return int(count)


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz", "data.json"])
def test_a_stream_reads_no_further_than_it_is_followed(
    name: str, tmp_path: Path, chat: Any
) -> None:
    # Random words: they stay 2 MB when they are compressed.
    draw = random.Random(0)
    rows = [chat("q", draw.randbytes(100).hex()) for _ in range(20_000)]
    write = {"data.jsonl.gz": packed, "data.json": array}.get(name, lines)
    write(tmp_path / name, rows)
    taken: list[int] = []

    @contextmanager
    def opened(file: str) -> Iterator[BinaryIO]:
        with unpacked(io.BufferedReader(Counting(tmp_path / file, taken)), file) as content:
            yield content

    walked = Json(type="json").walk([name], opened)
    assert walked is not None
    assert [row for _, row in islice(walked, 10)] == rows[:10]
    assert 0 < sum(taken) < (tmp_path / name).stat().st_size / 2


def test_a_stream_without_a_row_is_a_diagnostic(chats: Any, source: Any, stream: Any) -> None:
    nothing = source(chats(3), limit=1, fraction_of_rows=1e-6)
    with pytest.raises(DiagnosticError) as caught:
        list(stream(nothing))
    assert [d.code.id for d in caught.value.diagnostics] == ["RR427"]
