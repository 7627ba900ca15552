"""What is shown is what trains: the same tokens, the same labels, nothing left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recipe_runner.execute.data import prepare
from recipe_runner.execute.preview import (
    Count,
    Desk,
    PreviewRow,
    Selection,
    SelectionError,
    look,
    summary_of,
)
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.plan import Plan
from tests.runs.preview.conftest import CHATS, Compile

pytestmark = pytest.mark.runs

EVERY = Selection(rows=100)


def rows_of(plan: Plan, selection: Selection = EVERY) -> list[PreviewRow]:
    with Desk.opened(plan, load_tokenizer(plan.tokenizer)) as desk:
        return [row for shown in look(desk, selection) for row in shown.rows]


def numbers_of(plan: Plan, selection: Selection) -> list[int]:
    return [row.where.number for row in rows_of(plan, selection)]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="keep the answer"),
        pytest.param({"truncation_mode": "keep_start"}, id="keep the start"),
        pytest.param({"truncation_mode": "keep_end"}, id="keep the end"),
        pytest.param({"max_length": 512}, id="nothing cut"),
        pytest.param({"loss_on": "last_assistant"}, id="last turn"),
        pytest.param({"loss_on": "all"}, id="everything"),
    ],
)
def test_rows_have_the_tokens_that_train(compiled: Compile, data: dict[str, object]) -> None:
    plan = compiled(data=data)
    prepared = prepare(plan, load_tokenizer(plan.tokenizer)).train
    shown = [row for row in rows_of(plan) if row.problem is None]
    assert len(shown) == len(prepared)
    for row, expected in zip(shown, prepared, strict=True):
        kept = [piece for piece in row.pieces if not piece.cut]
        ids = [number for piece in kept for number in piece.ids]
        trained = [piece.trained for piece in kept for _ in piece.ids]
        assert ids == expected["input_ids"]
        assert trained == [label != -100 for label in expected["labels"]]
        assert (row.tokens, row.trained) == (len(ids), sum(trained))
        assert row.truncated == sum(len(piece.ids) for piece in row.pieces if piece.cut)


def test_trained_text_is_the_answers(compiled: Compile) -> None:
    first, second, *_ = rows_of(compiled(data={"max_length": 512}))
    for row, answers in ((first, "2<|im_end|>"), (second, "2<|im_end|>はい 👍\n\tyes<|im_end|>")):
        assert "".join(piece.text for piece in row.pieces if piece.trained) == answers


def test_tokens_are_counted_by_role(compiled: Compile) -> None:
    plan = compiled(data={"max_length": 512})
    tokenizer = load_tokenizer(plan.tokenizer)
    (row,) = rows_of(plan, Selection(numbers=(1,)))
    contents = [message["content"] for message in CHATS[0]["messages"]]
    system, user, _ = (len(tokenizer(text)["input_ids"]) for text in contents)
    # "2" and the token that ends the turn.
    answer = Count(2, 2)
    assert row.roles["system"] == Count(system)
    assert row.roles["user"] == Count(user)
    assert row.roles["assistant"] == answer
    assert row.roles["template"] == Count(row.tokens - system - user - 2)


@pytest.mark.parametrize("loss", [{"roles": ["any"]}, {"end_of_turn": "all"}])
def test_the_end_of_a_turn_belongs_to_its_role(compiled: Compile, loss: dict[str, object]) -> None:
    plan = compiled(data={"max_length": 512, "loss_on": loss})
    (row,) = rows_of(plan, Selection(numbers=(1,)))
    ends = [piece.role for piece in row.pieces if piece.trained and "<|im_end|>" in piece.text]
    assert ends == ["system", "user", "assistant"]


def test_broken_rows_are_shown_with_their_diagnostic(compiled: Compile) -> None:
    rows = rows_of(compiled())
    assert [row.where.number for row in rows] == [1, 2, 3, 4, 5, 6]
    masked, unreadable = rows[3], rows[4]
    assert masked.problem is not None
    assert masked.problem.diagnostic is not None
    assert unreadable.problem is not None
    assert (masked.problem.outcome, masked.problem.diagnostic.code.id) == ("drop", "RR420")
    assert "nobody answers" in "".join(piece.text for piece in masked.pieces)
    assert unreadable.problem.reason == "missing-column"
    assert unreadable.pieces == ()


def test_a_row_that_stops_the_run_says_so(compiled: Compile) -> None:
    plan = compiled(CHATS[:3], data={"overlong": "error"})
    long = rows_of(plan)[2]
    assert long.problem is not None
    assert long.problem.outcome == "error"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(Selection(rows=2), [1, 2], id="first"),
        pytest.param(Selection(numbers=(6, 1)), [6, 1], id="numbers, in the order given"),
        pytest.param(Selection(role="system"), [1], id="role"),
        pytest.param(Selection(contains="QUICK"), [6], id="contains, in any case"),
        pytest.param(Selection(untrained=True), [4, 5], id="untrained"),
        pytest.param(Selection(truncated=True), [3], id="truncated"),
        pytest.param(Selection(rows=1, worst=("longest",)), [3], id="longest"),
        # Row 1 trains 2 of its 31 tokens, row 6 trains 2 of about 23.
        pytest.param(Selection(rows=1, worst=("least-trained",)), [1], id="least trained"),
        pytest.param(Selection(worst=("most-truncated",)), [3], id="most truncated"),
    ],
)
def test_rows_are_selected(compiled: Compile, selection: Selection, expected: list[int]) -> None:
    assert numbers_of(compiled(), selection) == expected


def test_rows_that_a_split_holds_out(compiled: Compile) -> None:
    plan = compiled(data={"eval": {"split": 2}})
    held_out = numbers_of(plan, Selection(rows=9, evaluation=True))
    assert len(held_out) == 2
    assert set(held_out) < {1, 2, 3, 6}
    assert numbers_of(plan, Selection(numbers=(held_out[1],), evaluation=True)) == held_out[1:]
    (trains, *_) = {1, 2, 3, 6} - set(held_out)
    with pytest.raises(SelectionError, match=f"row {trains} is not held out"):
        rows_of(plan, Selection(numbers=(trains,), evaluation=True))


def test_rows_held_out_of_one_data_set(compiled: Compile) -> None:
    plan = compiled(data={"eval": {"split": 3}})
    twice = replace(plan, data=replace(plan.data, train=plan.data.train * 2))
    for source in (1, 2):
        rows = rows_of(twice, Selection(rows=9, evaluation=True, source=source))
        assert {row.source.number for row in rows} <= {source}


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        pytest.param(Selection(numbers=(7,)), "numbered from 1 to 6", id="row"),
        pytest.param(Selection(source=2), "no data set 2", id="source"),
        pytest.param(Selection(evaluation=True), "`data.eval`", id="eval"),
    ],
)
def test_rows_that_cannot_be_there(compiled: Compile, selection: Selection, says: str) -> None:
    with pytest.raises(SelectionError, match=says):
        rows_of(compiled(), selection)


def test_a_row_shown_twice_counts_once(compiled: Compile) -> None:
    rows = rows_of(compiled(), Selection(rows=1, worst=("longest", "most-truncated")))
    summary = summary_of(rows)
    assert [row.where.number for row in rows] == [3, 3]
    assert (summary.rows, summary.truncated_rows) == (1, 1)
    assert summary.tokens == rows[0].tokens
