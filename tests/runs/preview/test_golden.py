"""Golden rows: the same tokens are silence, others are told with the first that differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.preview import Desk
from recipe_runner.execute.preview.golden import Comparison, compare, make
from recipe_runner.execute.preview.inspect import inspect
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.plan import Plan
from recipe_runner.rows.golden import decode, encode, golden_path
from tests.runs.preview.conftest import ANSWER, CHATS, USER, Compile
from tests.tiny import CHATML

pytestmark = pytest.mark.runs

OTHER = CHATML.replace("'\n' + message['content']", "': ' + message['content']")


def write(plan: Plan, rows: int = 8) -> None:
    with Desk.opened(plan, load_tokenizer(plan.tokenizer), head=True) as desk:
        text = encode(make(desk, rows))
    golden_path(plan.recipe_path).write_text(text, encoding="utf-8")


def compared(plan: Plan) -> Comparison:
    assert plan.golden is not None
    with Desk.opened(plan, load_tokenizer(plan.tokenizer), head=True) as desk:
        return compare(desk, decode(Path(plan.golden).read_text(encoding="utf-8")))


def stopped_by(plan: Plan) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        inspect(plan, load_tokenizer(plan.tokenizer))
    return caught.value.diagnostics[0]


def test_the_same_recipe_agrees(compiled: Compile) -> None:
    write(compiled())
    found = compared(compiled())
    assert found == Comparison(6, (), ())


def test_rows_are_spread_over_the_data_sets(compiled: Compile, tmp_path: Path) -> None:
    text = "".join(json.dumps({"messages": [USER, ANSWER]}) + "\n" for _ in range(5000))
    (tmp_path / "more.jsonl").write_text(text, encoding="utf-8")
    chats = {"path": "chat.jsonl", "on_bad_row": "drop"}
    plan = compiled(data={"train": [chats, "more.jsonl"], "eval": ["more.jsonl"]})
    write(plan)
    rows = decode((tmp_path / "recipe.golden.json").read_text(encoding="utf-8")).rows
    by_source = {
        name: [r.row for r in rows if r.source == name] for name in {r.source for r in rows}
    }
    assert by_source == {
        "data.train[0]": [1, 3, 5],
        # Of the first thousand, which a check reads as well.
        "data.train[1]": [1, 334, 667],
        "data.eval[0]": [1, 501],
    }


def test_the_text_is_what_trains(compiled: Compile, tmp_path: Path) -> None:
    write(compiled())
    value = json.loads((tmp_path / "recipe.golden.json").read_text(encoding="utf-8"))
    assert value["rows"][0]["text"] == [
        "<|im_start|>system\n",
        "hello there<|im_end|>\n",
        "<|im_start|>user\n",
        "what is 1 + 1?<|im_end|>\n",
        "<|im_start|>assistant\n",
        {"trained": "2<|im_end|>"},
        "\n",
    ]
    assert value["rows"][3]["problem"] == "no-assistant-turn"


@pytest.mark.parametrize(
    ("sections", "says", "changed"),
    [
        pytest.param(
            {"tokenizer": {"chat_template": {"inline": OTHER}}},
            'has another text: after "<|im_start|>system" came "\\nhello there',
            "the chat template is another one",
            id="template",
        ),
        pytest.param(
            {"data": {"loss_on": "all"}},
            "did not train, and does",
            '`data.train[0].loss.on` was "turns" and is "all"',
            id="loss",
        ),
        pytest.param(
            {"data": {"max_length": 32}},
            "has another text",
            "`data.max_length` was 64 and is 32",
            id="length",
        ),
        pytest.param(
            {"tokenizer": {"add_tokens": ["hello there"]}},
            "has the same text in other tokens",
            '`tokenizer.add_tokens` was [] and is ["hello there"]',
            id="tokenizer",
        ),
    ],
)
def test_other_tokens_stop_a_run(
    compiled: Compile, sections: dict[str, Any], says: str, changed: str
) -> None:
    write(compiled())
    found = stopped_by(compiled(**sections))
    assert found.code.id == "RR451"
    assert says in found.message
    assert changed in found.message
    assert found.place.path == "recipe.golden.json"


def test_the_first_token_is_named(compiled: Compile) -> None:
    write(compiled(CHATS[:1]))
    plan = compiled(CHATS[:1], tokenizer={"chat_template": {"inline": OTHER}})
    (difference,) = compared(plan).differences
    shared = load_tokenizer(plan.tokenizer)("<|im_start|>system")["input_ids"]
    assert difference.token == len(shared) + 1
    assert difference.then is not None
    assert difference.then.before.endswith("<|im_start|>system")


def test_another_row_is_told_as_such(compiled: Compile) -> None:
    write(compiled())
    other = {"messages": [USER, {"role": "assistant", "content": "3"}]}
    found = stopped_by(compiled([other, *CHATS[1:]]))
    assert "(the row itself is another one)" in found.message


def test_a_row_that_is_gone(compiled: Compile) -> None:
    write(compiled())
    assert "is gone" in stopped_by(compiled(CHATS[:4])).message


def test_a_change_without_effect_is_no_difference(compiled: Compile) -> None:
    write(compiled(CHATS[:2], data={"max_length": 256}))
    found = compared(compiled(CHATS[:2], data={"max_length": 512}))
    assert found.differences == ()
    assert found.changed == ("`data.max_length` was 256 and is 512",)


def test_a_template_that_was_changed_back_agrees(compiled: Compile) -> None:
    write(compiled())
    stopped_by(compiled(tokenizer={"chat_template": {"inline": OTHER}}))
    assert inspect(compiled(), load_tokenizer(compiled().tokenizer)) == ()
