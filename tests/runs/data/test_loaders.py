"""Each loader gives the same rows, and the tokens are those of the rows."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import prepare
from recipe_runner.plan import FormatPlan, LossPlan, TokenizerPlan

pytestmark = pytest.mark.runs

Pairs = Sequence[Mapping[str, str]]
PAIRS = [
    {"prompt": "Say 42.", "completion": "42"},
    {"prompt": 'Quote "this", and\nbreak.', "completion": "NA"},
    {"prompt": "Ümlaut 😀?", "completion": "ja, natürlich"},
]
PAIR = FormatPlan("prompt_completion", "prompt_completion")


def as_lines(path: Path, rows: Pairs) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def as_lines_with_mark(path: Path, rows: Pairs) -> None:
    path.write_text("".join(json.dumps(row) + "\r\n" for row in rows), encoding="utf-8-sig")


def as_array(path: Path, rows: Pairs) -> None:
    path.write_text(json.dumps(rows, indent=2))


def as_csv(path: Path, rows: Pairs) -> None:
    with path.open("w", newline="") as handle:
        dialect = "excel-tab" if path.suffix == ".tsv" else "excel"
        writer = csv.DictWriter(handle, ["prompt", "completion"], dialect=dialect)
        writer.writeheader()
        writer.writerows(rows)


def as_parquet(path: Path, rows: Pairs) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def as_arrow_stream(path: Path, rows: Pairs) -> None:
    table = pa.Table.from_pylist(list(rows))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def as_arrow_file(path: Path, rows: Pairs) -> None:
    table = pa.Table.from_pylist(list(rows))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(
    ("loader", "suffix", "write"),
    [
        pytest.param("json", ".jsonl", as_lines, id="json-lines-and-blank-lines"),
        pytest.param("json", ".jsonl", as_lines_with_mark, id="json-lines-byte-order-mark-crlf"),
        pytest.param("json", ".json", as_array, id="json-array"),
        pytest.param("csv", ".csv", as_csv, id="csv"),
        pytest.param("csv", ".tsv", as_csv, id="tsv"),
        pytest.param("parquet", ".parquet", as_parquet, id="parquet"),
        pytest.param("arrow", ".arrow", as_arrow_stream, id="arrow-stream"),
        pytest.param("arrow", ".arrow", as_arrow_file, id="arrow-file"),
    ],
)
def test_every_loader_gives_the_texts_as_written(
    loader: str,
    suffix: str,
    write: Callable[[Path, Pairs], None],
    tmp_path: Path,
    plan: Any,
    source: Any,
    tokenizer: Any,
) -> None:
    # Two files: rows follow each other in the order of the files.
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write(first, PAIRS[:2])
    write(second, PAIRS[2:])
    made = source(first, second, loader=loader, format=PAIR, loss=LossPlan.of("completion"))
    train = prepare(plan(made), tokenizer).train
    assert train.column_names == ["input_ids", "labels"]
    for row, pair in zip(train, PAIRS, strict=True):
        assert tokenizer.decode(row["input_ids"]) == f"{pair['prompt']}{pair['completion']}<|end|>"
        trained = [token for token in row["labels"] if token != -100]
        assert tokenizer.decode(trained) == f"{pair['completion']}<|end|>"


def test_text_files_give_a_row_for_each_line_that_is_not_blank(
    tmp_path: Path, plan: Any, source: Any, tokenizer: Any
) -> None:
    file = tmp_path / "book.txt"
    file.write_text("one\n\n  two\n \nthree")
    text = source(file, loader="text", format=FormatPlan("text", "text"), loss=LossPlan.of("all"))
    rows = prepare(plan(text), tokenizer).train
    texts = [tokenizer.decode(row["input_ids"]) for row in rows]
    assert texts == ["one<|end|>", "  two<|end|>", "three<|end|>"]


def test_an_array_larger_than_the_window_keeps_every_element(
    tmp_path: Path, plan: Any, source: Any, tokenizer: Any, chat: Any
) -> None:
    long = "x" * 1_500_000  # over the 1 MiB that are read at a time
    rows = [chat("a", "first"), chat("b", "second") | {"unread": long}, chat("c", "third")]
    file = tmp_path / "data.json"
    file.write_text(json.dumps(rows))
    prepared = prepare(plan(source(file)), tokenizer)
    answers = [tokenizer.decode([t for t in row["labels"] if t != -100]) for row in prepared.train]
    assert [answer.split("<")[0].strip() for answer in answers] == ["first", "second", "third"]


def test_tool_schemas_that_differ_from_row_to_row_reach_the_template_as_written(
    jsonl: Any, plan: Any, source: Any, tokenizer: Any, chat: Any
) -> None:
    tools = [{"a": 1}, {"a": "text", "b": [1, {"c": None}]}, {"a": [{}]}]
    rows = [chat("q", "a") | {"tools": [{"name": "f", "parameters": tool}]} for tool in tools]
    template = (
        "{{ tools | tojson }}{% for m in messages %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    )
    made = plan(source(jsonl(rows)), tokenizer=TokenizerPlan("t", {}, chat_template=template))
    for row, given in zip(prepare(made, tokenizer).train, rows, strict=True):
        text = tokenizer.decode(row["input_ids"])
        assert json.loads(text.removesuffix("qa")) == given["tools"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, list(range(10)), id="all"),
        pytest.param({"limit": 3}, [0, 1, 2], id="limit-takes-the-first"),
        pytest.param({"limit": 99}, list(range(10)), id="limit-above-the-rows"),
        pytest.param({"fraction_of_rows": 1.0}, list(range(10)), id="whole"),
    ],
)
def test_limits(
    values: dict[str, Any], expected: list[int], chats: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    prepared = prepare(plan(source(chats(10), **values)), tokenizer)
    assert [answer_number(tokenizer, row) for row in prepared.train] == expected
    assert prepared.receipt.sources[0].available == 10
    assert prepared.receipt.sources[0].read == len(expected)


def test_a_fraction_is_drawn_by_seed_and_stays_in_order(
    chats: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    made = source(chats(2500), fraction_of_rows=0.1)
    draws = []
    for seed in (1, 1, 2):
        train = prepare(plan(made, seed=seed), tokenizer).train
        draws.append([answer_number(tokenizer, row) for row in train])
    assert draws[0] == draws[1] != draws[2]
    assert all(len(draw) == 250 and draw == sorted(set(draw)) for draw in draws)


def test_columns_are_renamed_and_a_missing_one_is_named(
    jsonl: Any, plan: Any, source: Any, tokenizer: Any, chat: Any
) -> None:
    file = jsonl([{"talk": chat("q", "a")["messages"]}])
    rows = prepare(plan(source(file, columns={"messages": "talk"})), tokenizer).train
    assert "a" in tokenizer.decode(rows[0]["input_ids"])


def answer_number(tokenizer: Any, row: Mapping[str, list[int]]) -> int:
    text = tokenizer.decode([token for token in row["labels"] if token != -100])
    return int(text.split("<")[0].split()[-1])


def test_null_fields_of_a_table_do_not_reach_the_template(
    tmp_path: Path, plan: Any, source: Any, tokenizer: Any, chat: Any
) -> None:
    # One message of the column has `name`, so the table gives every message one.
    rows = [chat("q", "a"), chat("q", "a")]
    rows[1]["messages"][0]["name"] = "Ada"
    file = tmp_path / "data.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file)
    template = (
        "{% for m in messages %}{% if 'name' in m %}[{{ m.name }}]{% endif %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    )
    made = plan(
        source(file, loader="parquet"), tokenizer=TokenizerPlan("t", {}, chat_template=template)
    )
    texts = [tokenizer.decode(row["input_ids"]) for row in prepare(made, tokenizer).train]
    assert texts == ["qa", "[Ada]qa"]


def test_a_hub_data_set_is_read_by_split(
    tmp_path: Path, plan: Any, source: Any, tokenizer: Any
) -> None:
    # A folder laid out like a data set of the hub, at a commit: nothing is asked for.
    as_lines(tmp_path / "hub" / "train.jsonl", PAIRS[:1])
    as_lines(tmp_path / "hub" / "test.jsonl", PAIRS[1:])
    values = {
        "loader": "hub",
        "format": PAIR,
        "loss": LossPlan.of("completion"),
        "revision": "a" * 40,
    }
    made = dataclasses.replace(source(tmp_path / "hub", split="test", **values), files=())
    prepared = prepare(plan(made), tokenizer)
    assert len(prepared.train) == 2
    wrong = dataclasses.replace(made, split="none")
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(wrong), tokenizer)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR428"]
