"""Bad input is told by file, line and column, and skipped only where the recipe says so."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import prepare
from recipe_runner.execute.data.telling import summary
from recipe_runner.plan import FormatPlan, LossPlan, RowPolicy, TokenizerPlan

pytestmark = pytest.mark.runs

GOOD = json.dumps(
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
)
MASKED = '{"messages": [{"role": "user", "content": "q"}]}'
PAIR = FormatPlan("prompt_completion", "prompt_completion")


class Bad(NamedTuple):
    content: str | bytes
    code: str
    place: tuple[int, int]
    says: tuple[str, ...]
    loader: str = "json"
    suffix: str = ".jsonl"
    format: FormatPlan = FormatPlan("messages", "conversation")
    dropped: str = ""
    good: int = 2


BAD = {
    "comma missing in the middle": Bad(
        f'{GOOD}\n{{"messages": [1 2]}}\n{GOOD}\n', "RR402", (2, 17), ("line 2", "is no JSON"), dropped="malformed"
    ),
    "after a blank line": Bad(f"{GOOD}\n\nnope\n{GOOD}\n", "RR402", (3, 1), ("line 3",), dropped="malformed"),
    "not utf-8": Bad(
        GOOD.encode() + b'\n{"messages": "\xc3\xa9\xff"}\n' + GOOD.encode(),
        "RR402", (2, 16), ("not UTF-8", "0xff", "column 16"), dropped="malformed",
    ),
    "half of a surrogate pair": Bad(
        GOOD + "\n" + GOOD.replace('"q"', r'"\ud83d"') + "\n" + GOOD,
        "RR402", (2, 1), ("surrogate",), dropped="malformed",
    ),
    "deep nesting": Bad(f"{GOOD}\n{'[' * 100_000}\n{GOOD}", "RR402", (2, 1), ("deeper",), dropped="malformed"),
    "last line cut off in a text": Bad(
        f"{GOOD}\n{GOOD}\n" + GOOD[:38], "RR403", (3, 39), ("line 3", "breaks off"), dropped="truncated"
    ),
    "last line cut off between values": Bad(
        f"{GOOD}\n{GOOD}\n" + GOOD[:14], "RR403", (3, 15), ("breaks off",), dropped="truncated"
    ),
    "a line that is a list": Bad(f"{GOOD}\n[1]\n{GOOD}\n", "RR405", (2, 1), ("holds a list",), dropped="not-an-object"),
    "column missing in some rows": Bad(
        f'{GOOD}\n{{"chat": 1, "id": 2}}\n{GOOD}\n{{"chat": 1}}\n',
        "RR404", (2, 1), ("`messages`", "`chat`, `id`", "1 more of 4 rows", "line 4"), dropped="missing-column",
    ),
    "null in a column": Bad(f'{GOOD}\n{{"messages": null}}\n{GOOD}', "RR404", (2, 1), ("null",), dropped="null-column"),
    "wrong type in a column": Bad(
        f'{GOOD}\n{{"messages": "hi"}}\n{GOOD}', "RR405", (2, 1), ("a text where a list",), dropped="not-a-list"
    ),
    "no turn of the assistant": Bad(f"{GOOD}\n{MASKED}\n{GOOD}", "RR420", (2, 1), (), dropped="no-assistant-turn"),
    "csv with a value too many": Bad(
        "prompt,completion\na,b\na,b,c\na,b\n", "RR402", (3, 1), ("3 values", "2 columns"),
        "csv", ".csv", PAIR, "malformed",
    ),
    "csv with an open quote": Bad(
        'prompt,completion\na,b\na,b\na,"b\n', "RR403", (4, 1), ("quote",), "csv", ".csv", PAIR, "truncated"
    ),
    "csv with a quote inside": Bad(
        'prompt,completion\na,b\na,"b"c\na,b\n', "RR402", (3, 1), ("no CSV",), "csv", ".csv", PAIR, "malformed"
    ),
    "csv not utf-8": Bad(
        b"prompt,completion\na,b\n\xff,b\na,b\n", "RR402", (3, 1), ("not UTF-8",), "csv", ".csv", PAIR, "malformed"
    ),
    "csv without the column": Bad(
        "prompt,answer\na,b\n", "RR404", (2, 1), ("`completion`", "`prompt`, `answer`"),
        "csv", ".csv", PAIR, "missing-column", 0,
    ),
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Bad], Path]:
    def to_file(bad: Bad) -> Path:
        file = tmp_path / f"data{bad.suffix}"
        file.write_bytes(bad.content if isinstance(bad.content, bytes) else bad.content.encode())
        return file

    return to_file


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_row_stops_the_run_at_its_place(
    bad: Bad, write: Any, plan: Any, source: Any, tokenizer: Any, cache: Path
) -> None:
    file = write(bad)
    loss_on = "completion" if bad.format is PAIR else "assistant"
    made = source(file, loader=bad.loader, format=bad.format, loss=LossPlan.of(loss_on))
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(made), tokenizer)
    (found,) = caught.value.diagnostics
    assert found.code.id == bad.code
    assert found.place.path == str(file)
    start = found.place.span.start
    assert (start.line, start.column) == bad.place
    for words in bad.says:
        assert words in found.message
    assert re.search("`on_bad_row: {[a-z_]+: drop}`", found.help)
    assert [path.name for path in (cache / "prepared").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    "bad", [b for b in BAD.values() if b.good], ids=[k for k, b in BAD.items() if b.good]
)
def test_skipping_uses_the_good_rows_and_counts_the_others(
    bad: Bad, write: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    loss_on = "completion" if bad.format is PAIR else "assistant"
    made = source(
        write(bad),
        loader=bad.loader,
        format=bad.format,
        loss=LossPlan.of(loss_on),
        on_bad_row=RowPolicy.of("drop"),
    )
    prepared = prepare(plan(made), tokenizer)
    (receipt,) = prepared.receipt.sources
    (dropped,) = receipt.dropped
    assert len(prepared.train) == receipt.used == bad.good
    assert dropped.reason == bad.dropped
    assert dropped.rows == receipt.read - receipt.used
    assert len(dropped.first) == dropped.rows
    assert prepare(plan(made), tokenizer).receipt.sources == prepared.receipt.sources


def test_all_findings_come_together(jsonl: Any, plan: Any, source: Any, tokenizer: Any) -> None:
    train = jsonl([GOOD + "\n", "nope\n", '{"messages": 3}\n'], "train.jsonl")
    held = jsonl(['{"chat": 3}\n'], "eval.jsonl")
    made = plan(source(train), eval=(source(held),))
    with pytest.raises(DiagnosticError) as caught:
        prepare(made, tokenizer)
    assert sorted(d.code.id for d in caught.value.diagnostics) == ["RR402", "RR404", "RR405"]


@pytest.mark.parametrize("policy", ["error", "drop"])
def test_rows_that_are_all_masked_are_a_fault_of_the_data_set(
    policy: Literal["error", "drop"], jsonl: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    with pytest.raises(DiagnosticError) as caught:
        prepare(
            plan(source(jsonl([MASKED + "\n"] * 3), on_bad_row=RowPolicy.of(policy))), tokenizer
        )
    assert [d.code.id for d in caught.value.diagnostics] == ["RR421"]
    assert "none of the 3 rows" in caught.value.diagnostics[0].message


def test_leaving_out_every_row_is_an_error(
    jsonl: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(jsonl(["x\n", "{}\n"]), on_bad_row=RowPolicy.of("drop"))), tokenizer)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR427"]
    assert "malformed: 1, missing-column: 1" in caught.value.diagnostics[0].message


def _said(*turns: tuple[str, str]) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    return json.dumps({"messages": messages}) + "\n"


CALL = {"type": "function", "function": {"name": "search", "arguments": {}}}


def _row(answer: dict[str, Any], **more: Any) -> str:
    """A line with a question, `answer` and further columns."""
    return json.dumps({"messages": [{"role": "user", "content": "q"}, answer], **more}) + "\n"


class Odd(NamedTuple):
    line: str
    code: str
    kind: str
    reason: str


ODD = {
    "two answers in a row": Odd(
        _said(("user", "q"), ("assistant", "a"), ("assistant", "b")),
        "RR440",
        "consecutive_assistant",
        "consecutive-assistant",
    ),
    "a role that nobody knows": Odd(
        _said(("user", "q"), ("oracle", "a")), "RR441", "unknown_role", "unknown-role"
    ),
    "an empty answer": Odd(
        _said(("user", "q"), ("assistant", "")), "RR442", "empty_completion", "empty-completion"
    ),
    "a call that the template leaves out": Odd(
        _row({"role": "assistant", "content": "", "tool_calls": [CALL]}),
        "RR443",
        "not_rendered",
        "not-rendered",
    ),
    "tools that the template leaves out": Odd(
        _row({"role": "assistant", "content": "a"}, tools=[CALL]),
        "RR443",
        "not_rendered",
        "not-rendered",
    ),
    "a thought that the template leaves out": Odd(
        _row({"role": "assistant", "content": "a", "reasoning_content": "Hm, let me see."}),
        "RR443",
        "not_rendered",
        "not-rendered",
    ),
    "no turn that trains": Odd(_said(("user", "q")), "RR420", "untrainable", "no-assistant-turn"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_each_kind_of_fault_has_its_policy(
    odd: Odd, jsonl: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    file = jsonl([GOOD + "\n", odd.line, GOOD + "\n"])
    one: dict[str, Any] = {odd.kind: "error"}
    others = dataclasses.replace(RowPolicy.of("drop"), **one)
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(file, on_bad_row=others)), tokenizer)
    (found,) = caught.value.diagnostics
    assert (found.code.id, found.place.span.start.line) == (odd.code, 2)
    assert f"`on_bad_row: {{{odd.kind}: " in found.help
    one[odd.kind] = "drop"
    dropping = dataclasses.replace(RowPolicy(), **one)
    (receipt,) = prepare(plan(source(file, on_bad_row=dropping)), tokenizer).receipt.sources
    assert [(d.reason, d.rows, d.first) for d in receipt.dropped] == [(odd.reason, 1, (2,))]
    assert receipt.used == 2


def test_odd_rows_that_are_kept_are_counted(
    jsonl: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    odd = ODD["two answers in a row"]
    file = jsonl([GOOD + "\n", odd.line, odd.line])
    keeping = source(file, on_bad_row=RowPolicy(consecutive_assistant="keep"))
    prepared = prepare(plan(keeping), tokenizer)
    (receipt,) = prepared.receipt.sources
    assert (receipt.used, receipt.dropped) == (3, ())
    assert [(k.reason, k.rows, k.first) for k in receipt.kept] == [(odd.reason, 2, (2, 3))]
    assert any("2 consecutive-assistant kept (rows 2, 3)" in s for s in summary(prepared.receipt))


def test_a_call_of_a_tool_between_two_answers_is_not_odd(
    jsonl: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a", "tool_calls": [call]},
        {"role": "assistant", "content": "b"},
    ]
    file = jsonl([json.dumps({"messages": messages}) + "\n"])
    keeping = source(file, on_bad_row=RowPolicy(not_rendered="keep"))
    assert len(prepare(plan(keeping), tokenizer).train) == 1


def test_split_rows_keep_every_token_in_the_receipt(
    jsonl: Any, plan: Any, source: Any, tokenizer: Any, chat: Any
) -> None:
    file = jsonl([chat("q", "a"), chat("q" * 60, "a" * 100)])
    (whole,) = prepare(plan(source(file), max_length=4096), tokenizer).receipt.sources
    prepared = prepare(plan(source(file), max_length=20, overlong="split"), tokenizer)
    (receipt,) = prepared.receipt.sources
    assert receipt.tokens + receipt.truncated_tokens == whole.tokens
    assert receipt.used == 2 < receipt.rows == len(prepared.train)
    assert receipt.longest <= 20


OVERLONG = {
    "truncate": (2, 1, ()),
    "drop": (1, 0, (("over-length", 1, (2,)),)),
}


@pytest.mark.parametrize("overlong", OVERLONG)
def test_overlong_rows_follow_the_recipe(
    overlong: str, jsonl: Any, plan: Any, source: Any, tokenizer: Any, chat: Any
) -> None:
    file = jsonl([chat("q", "a"), chat("q", "a" * 100)])
    prepared = prepare(plan(source(file), max_length=40, overlong=overlong), tokenizer)
    (receipt,) = prepared.receipt.sources
    dropped = tuple(dataclasses.astuple(item) for item in receipt.dropped)
    assert (receipt.used, receipt.truncated_rows, dropped) == OVERLONG[overlong]
    assert receipt.longest == max(len(row["input_ids"]) for row in prepared.train) <= 40
    assert receipt.tokens == sum(len(row["input_ids"]) for row in prepared.train)
    assert receipt.trained_tokens == sum(t != -100 for row in prepared.train for t in row["labels"])


def test_overlong_error_is_not_weakened_by_skipping_bad_rows(
    jsonl: Any, plan: Any, source: Any, tokenizer: Any, chat: Any
) -> None:
    file = jsonl([chat("q", "a"), chat("q", "a" * 100)])
    made = plan(source(file, on_bad_row=RowPolicy.of("drop")), max_length=40, overlong="error")
    with pytest.raises(DiagnosticError) as caught:
        prepare(made, tokenizer)
    (found,) = caught.value.diagnostics
    assert (found.code.id, found.place.span.start.line) == ("RR422", 2)
    assert "`max_length` 40" in found.message


@pytest.mark.parametrize(
    ("template", "code"),
    [
        pytest.param("{{ raise_exception('turns must alternate') }}", "RR424", id="refuses"),
        pytest.param("{% for m in messages %}{{ m.content }}", "RR431", id="no Jinja"),
        pytest.param(None, "RR425", id="absent"),
    ],
)
def test_templates(
    template: str | None, code: str, chats: Any, plan: Any, source: Any, tokenizer: Any
) -> None:
    import copy

    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    made = plan(source(chats(2)), tokenizer=TokenizerPlan("t", {}, chat_template=template))
    with pytest.raises(DiagnosticError) as caught:
        prepare(made, bare)
    assert [d.code.id for d in caught.value.diagnostics] == [code]


FILES = {
    "no such file": ("json", None, "RR401"),
    "a folder": ("json", "folder", "RR428"),
    "an empty file": ("json", "", "RR406"),
    "only blank lines": ("json", "\n \n", "RR406"),
    "an empty array": ("json", "[ ]", "RR406"),
    "a header alone": ("csv", "prompt,completion\n", "RR406"),
    "no parquet": ("parquet", "text", "RR428"),
    "no arrow": ("arrow", "text", "RR428"),
    "an array that breaks off": ("json", f"[{GOOD},\n{GOOD[:30]}", "RR403"),
    "an array with a fault": ("json", f"[{GOOD},\n {{'a': 1}}]", "RR402"),
}


@pytest.mark.parametrize(("loader", "content", "code"), FILES.values(), ids=FILES.keys())
def test_files_without_rows(
    loader: str,
    content: str | None,
    code: str,
    tmp_path: Path,
    plan: Any,
    source: Any,
    tokenizer: Any,
) -> None:
    file = tmp_path / "data.json"
    if content == "folder":
        file.mkdir()
    elif content is not None:
        file.write_text(content)
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(file, loader=loader)), tokenizer)
    (found,) = caught.value.diagnostics
    assert found.code.id == code
    if content and content.startswith(f"[{GOOD}"):
        assert found.place.span.start.line == 2


def test_a_hub_data_set_without_a_connection_is_a_diagnostic(
    plan: Any, source: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    made = dataclasses.replace(source(Path("x")), path="org/none", loader="hub", files=())
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(made), tokenizer)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR426"]
