"""Every word of `loss_on`, and every mark that a message may carry."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.plan import LossPlan
from recipe_runner.rows import RowProblem
from tests.runs.tokenize import templates as t
from tests.runs.tokenize.trained import row, trained_runs

pytestmark = pytest.mark.runs

END = "<|im_end|>"
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "first question"},
    {"role": "assistant", "content": "first answer"},
    {"role": "user", "content": "second question"},
    {"role": "assistant", "content": "second answer"},
    {"role": "tool", "content": "a result"},
    {"role": "assistant", "content": "third answer"},
]
ANSWERS = ["first answer", "second answer", "third answer"]


def _closed(*texts: str) -> list[str]:
    return [text + END for text in texts]


WORDS: dict[str, tuple[LossPlan, list[str]]] = {
    "assistant": (LossPlan("turns"), _closed(*ANSWERS)),
    "user": (LossPlan("turns", ("user",)), _closed("first question", "second question")),
    "two roles": (
        LossPlan("turns", ("assistant", "tool")),
        _closed(*ANSWERS[:2], "a result", ANSWERS[2]),
    ),
    "system": (LossPlan("turns", ("system",)), _closed("be brief")),
    "any": (LossPlan("turns", ("any",)), _closed(*(m["content"] for m in CHAT))),
    "last": (LossPlan("turns", turns="last"), _closed("third answer")),
    "last of the user": (LossPlan("turns", ("user",), turns="last"), _closed("second question")),
    "last round": (LossPlan("turns", turns="last_round"), _closed("second answer", "third answer")),
    "no end": (LossPlan("turns", end_of_turn="none"), ANSWERS),
    "last end": (LossPlan("turns", end_of_turn="last"), [*ANSWERS[:2], "third answer" + END]),
    "all ends": (
        LossPlan("turns", turns="last", end_of_turn="all"),
        [END, END, END, END, END, END, "third answer" + END],
    ),
    "weight 0": (
        LossPlan("turns", weights={"(first|third) ?": 0.0, " answer": 0.0}),
        [END, "second", END, END],
    ),
}
TEMPLATES = {"unmarked": t.CHATML, "marked": t.CHATML_MARKED}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize(("loss", "expected"), WORDS.values(), ids=WORDS)
def test_words(loss: LossPlan, expected: list[str], template: str) -> None:
    tokenizer = t.tokenizer_for(template)
    assert trained_runs(tokenizer, row(tokenizer, {"messages": CHAT}, loss)) == expected


def _with(place: int, **marks: Any) -> list[dict[str, Any]]:
    return [{**m, **marks} if n == place else m for n, m in enumerate(CHAT)]


MARKS: dict[str, tuple[list[dict[str, Any]], str, list[str]]] = {
    "train a question": (_with(1, train=True), "assistant", _closed("first question", *ANSWERS)),
    "leave an answer out": (_with(2, train=False), "assistant", _closed(*ANSWERS[1:])),
    "false wins over the last": (_with(6, train=False), "last_assistant", []),
    "weight 0": (_with(4, weight=0), "assistant", _closed(ANSWERS[0], ANSWERS[2])),
    "characters": (
        _with(2, train_spans=[{"begin": 5, "end": 12, "train": True}]),
        "assistant",
        _closed(" answer", *ANSWERS[1:]),
    ),
    "all but some characters": (
        _with(
            2,
            train_spans=[
                {"begin": 0, "end": 12, "train": True},
                {"begin": 0, "end": 5, "train": False},
            ],
        ),
        "assistant",
        _closed(" answer", *ANSWERS[1:]),
    ),
    "characters of a question": (
        _with(1, train_spans=[{"begin": 0, "end": 5, "train": True}]),
        "assistant",
        ["first", END, *_closed(*ANSWERS)],
    ),
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize(("messages", "loss_on", "expected"), MARKS.values(), ids=MARKS)
def test_marks_of_messages(
    messages: list[dict[str, Any]], loss_on: str, expected: list[str], template: str
) -> None:
    tokenizer = t.tokenizer_for(template)
    if not expected:
        with pytest.raises(RowProblem, match="has no turn that trains") as caught:
            row(tokenizer, {"messages": messages}, loss_on)
        assert caught.value.reason == "no-trained-turn"
        return
    found = trained_runs(tokenizer, row(tokenizer, {"messages": messages}, loss_on))
    assert "".join(found) == "".join(expected)


def test_marks_do_not_reach_the_template() -> None:
    template = "{% for m in messages %}{{ m | tojson }}{% endfor %}"
    tokenizer = t.tokenizer_for(template)
    plain = row(tokenizer, {"messages": CHAT}, "all")
    marked = [{**m, "train": True, "weight": 2.0, "train_spans": []} for m in CHAT]
    assert row(tokenizer, {"messages": marked}, "all").input_ids == plain.input_ids


def test_trimmed_contents_keep_their_characters() -> None:
    tokenizer = t.tokenizer_for(t.TRIMS)
    marks = [{"begin": 0, "end": 5, "train": True}]
    messages = [CHAT[1], {"role": "assistant", "content": "  abc def  ", "train_spans": marks}]
    found = trained_runs(tokenizer, row(tokenizer, {"messages": messages}))
    assert "".join(found) == "abc" + END


def test_characters_of_a_changed_content_are_unknown() -> None:
    tokenizer = t.tokenizer_for(t.STRIPS_EARLIER_THOUGHTS)
    marks = [{"begin": 0, "end": 5, "train": True}]
    thought = {"role": "assistant", "content": "<think>x</think>y", "train_spans": marks}
    with pytest.raises(RowProblem) as caught:
        row(tokenizer, {"messages": [CHAT[1], thought, *CHAT[3:5]]})
    assert caught.value.reason == "mask-unknown"


def test_marks_beyond_a_content() -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    marks = [{"begin": 0, "end": 50, "train": True}]
    with pytest.raises(RowProblem, match="the characters 0 to 50 of message 3, which has 12"):
        row(tokenizer, {"messages": _with(2, train_spans=marks)})


WEIGHTS: dict[str, tuple[LossPlan, list[dict[str, Any]], dict[str, float]]] = {
    "of a message": (LossPlan("turns"), _with(2, weight=0.5), {"first answer" + END: 0.5}),
    "of a pattern": (LossPlan("turns", weights={"second": 2.0}), CHAT, {"second": 2.0}),
    "of both": (
        LossPlan("turns", weights={"second": 2.0}),
        _with(4, weight=0.5),
        {"second": 1.0, " answer" + END: 0.5},
    ),
    "of two patterns": (
        LossPlan("turns", weights={"second": 2.0, "sec[a-z]*": 3.0}),
        CHAT,
        {"second": 6.0},
    ),
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize(("loss", "messages", "expected"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights(
    loss: LossPlan, messages: list[dict[str, Any]], expected: dict[str, float], template: str
) -> None:
    tokenizer = t.tokenizer_for(template)
    found = row(tokenizer, {"messages": messages}, loss)
    plain = row(tokenizer, {"messages": CHAT})
    assert (found.input_ids, found.labels) == (plain.input_ids, plain.labels)
    assert plain.weights is None
    assert found.weights is not None
    by_text: dict[float, str] = {}
    for token, label, weight in zip(found.input_ids, found.labels, found.weights, strict=True):
        assert weight == 1 or label == token
        by_text[weight] = by_text.get(weight, "") + (
            tokenizer.decode([token]) if label >= 0 else ""
        )
    for text, weight in expected.items():
        assert text in by_text[weight]
        assert weight == 1 or by_text[weight] == text


# Markers that leave the end of the turn outside, as some training templates do.
OUTSIDE = t.CHATML_MARKED.replace(
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}",
    "{% generation %}{{ message['content'] }}{% endgeneration %}{{ '<|im_end|>' }}",
)
ENDS: dict[str, tuple[LossPlan, str]] = {
    "the markers decide": (LossPlan("turns"), "first answersecond answerthird answer"),
    "all": (LossPlan("turns", turns="last", end_of_turn="all"), END * 6 + "third answer" + END),
    "last": (LossPlan("turns", end_of_turn="last"), "first answersecond answerthird answer" + END),
    "named": (
        LossPlan("turns", end_of_turn_tokens=(END,)),
        "".join(_closed(*ANSWERS)),
    ),
}


@pytest.mark.parametrize(("loss", "expected"), ENDS.values(), ids=ENDS)
def test_an_end_of_turn_outside_of_the_markers(loss: LossPlan, expected: str) -> None:
    tokenizer = t.tokenizer_for(OUTSIDE)
    found = trained_runs(tokenizer, row(tokenizer, {"messages": CHAT}, loss))
    assert "".join(found) == expected


def test_named_end_of_turn_tokens_end_a_turn() -> None:
    template = t.PLAIN_WORDS
    tokenizer = t.tokenizer_for(template)
    named = LossPlan("turns", end_of_turn_tokens=("### End",))
    none = LossPlan("turns", end_of_turn="none", end_of_turn_tokens=("### End",))
    for loss, end in ((named, "### End"), (none, "")):
        found = trained_runs(tokenizer, row(tokenizer, {"messages": CHAT[1:3]}, loss))
        assert "".join(found).replace("\n", "") == "first answer" + end


COMPLETIONS: dict[str, tuple[LossPlan, dict[str, Any], str]] = {
    "strings": (LossPlan("completion"), {"prompt": "what", "completion": " is"}, " is<eos>"),
    "strings, no end": (
        LossPlan("completion", end_of_turn="none"),
        {"prompt": "what", "completion": " is"},
        " is",
    ),
    "strings, weight 0": (
        LossPlan("completion", weights={"quick": 0.0}),
        {"prompt": "the quick", "completion": " quick brown"},
        " brown<eos>",
    ),
    "text, no end": (LossPlan("all", end_of_turn="none"), {"text": "the quick"}, "the quick"),
    "chat, no end": (
        LossPlan("completion", end_of_turn="none"),
        {"prompt": CHAT[:4], "completion": CHAT[4:]},
        "second answerthird answer",
    ),
    "chat, last": (
        LossPlan("completion", turns="last"),
        {"prompt": CHAT[:4], "completion": CHAT[4:]},
        "third answer" + END,
    ),
    "chat, tools": (
        LossPlan("completion", ("tool",)),
        {"prompt": CHAT[:4], "completion": CHAT[4:]},
        "a result" + END,
    ),
}


@pytest.mark.parametrize(("loss", "example", "expected"), COMPLETIONS.values(), ids=COMPLETIONS)
def test_completions(loss: LossPlan, example: dict[str, Any], expected: str) -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    assert "".join(trained_runs(tokenizer, row(tokenizer, example, loss))) == expected


def test_a_thought_that_the_prompt_opens_does_not_train_its_opening() -> None:
    template = t.CHATML.replace("assistant\n' }}{% endif", "assistant\n<think>\n' }}{% endif")
    tokenizer = t.tokenizer_for(template)
    messages = [CHAT[1], {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"}]
    assert trained_runs(tokenizer, row(tokenizer, {"messages": messages})) == [
        "hm\n</think>\n\nyes" + END
    ]
    plain = row(tokenizer, {"messages": CHAT[1:3]})
    assert trained_runs(tokenizer, plain) == ["first answer" + END]
