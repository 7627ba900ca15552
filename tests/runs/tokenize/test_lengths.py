"""Rows above `max_length`: what is cut, what stays, and that no token is lost uncounted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipe_runner.execute.tokenize import IGNORED, Tokenized, TokenizeSettings, tokenize_batch
from recipe_runner.execute.tokenize.cutting import cut, split
from recipe_runner.plan import LossPlan
from recipe_runner.rows import RowProblem
from tests.runs.tokenize import templates as t
from tests.runs.tokenize.trained import row, trained_runs
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

BOS = 1


def _row(pattern: str) -> Tokenized:
    """A row of one token for each letter: `b` is the beginning of a sequence, `T` trains."""
    ids = [BOS if letter == "b" else 10 + n for n, letter in enumerate(pattern)]
    pairs = zip(ids, pattern, strict=True)
    return Tokenized(ids, [i if letter == "T" else IGNORED for i, letter in pairs])


# The places of the tokens that stay, worked out by hand.
CUTS: dict[str, tuple[str, int, str, Sequence[int]]] = {
    "fits": ("ppTT", 4, "keep_answer", range(4)),
    "prompt first": ("ppppTT", 4, "keep_answer", (2, 3, 4, 5)),
    "behind the beginning": ("bpppTT", 4, "keep_answer", (0, 3, 4, 5)),
    "the answer alone": ("bpppTT", 3, "keep_answer", (0, 4, 5)),
    "the beginning gives way last": ("bpTTTT", 3, "keep_answer", (0, 2, 3)),
    "no room for the beginning": ("bpTT", 1, "keep_answer", (2,)),
    "a long answer": ("ppTTTT", 3, "keep_answer", (2, 3, 4)),
    "all trains": ("TTTT", 2, "keep_answer", (0, 1)),
    "what follows the answer": ("pTTppp", 4, "keep_answer", (1, 2, 3, 4)),
    "start": ("ppppTT", 5, "keep_start", range(5)),
    "end": ("bpppTT", 3, "keep_end", (3, 4, 5)),
}


@pytest.mark.parametrize(("pattern", "limit", "mode", "places"), CUTS.values(), ids=CUTS)
def test_cut(pattern: str, limit: int, mode: Any, places: Sequence[int]) -> None:
    whole = _row(pattern)
    found = cut(whole, limit, mode, BOS)
    assert found.input_ids == [whole.input_ids[place] for place in places]
    assert found.labels == [whole.labels[place] for place in places]
    assert found.truncated == len(pattern) - len(places)


def test_pieces_without_a_trained_token_are_counted() -> None:
    pieces = split(_row("pppppTTpppTp"), 3)
    assert [piece.truncated for piece in pieces] == [3, 0, 0]
    assert [len(piece.input_ids) for piece in pieces] == [3, 3, 3]
    assert sum(len(piece.input_ids) + piece.truncated for piece in pieces) == 12


@settings(max_examples=200, deadline=None)
@given(
    st.text("bpT", min_size=1, max_size=30).filter(lambda text: "T" in text),
    st.integers(1, 12),
    st.sampled_from(["keep_answer", "keep_start", "keep_end"]),
)
def test_no_token_is_lost_uncounted(pattern: str, limit: int, mode: Any) -> None:
    whole = _row(pattern)
    for pieces in ((cut(whole, limit, mode, BOS),), split(whole, limit)):
        assert all(0 < len(piece.input_ids) <= limit for piece in pieces)
        kept = sum(len(piece.input_ids) + piece.truncated for piece in pieces)
        assert kept == len(pattern)


SYSTEM = {"role": "system", "content": "be brief"}


def _exchange(number: int) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": f"question {number}"},
        {"role": "assistant", "content": f"answer {number}"},
    ]


def test_the_oldest_exchanges_are_left_out_and_the_rest_is_rendered_again() -> None:
    tokenizer = t.tokenizer_for(t.shipped("qwen3"))
    messages = [SYSTEM, *(m for n in range(6) for m in _exchange(n))]
    short = row(tokenizer, {"messages": [SYSTEM, *_exchange(4), *_exchange(5)]})
    limit = len(short.input_ids) + 3
    whole = row(tokenizer, {"messages": messages})
    found = row(tokenizer, {"messages": messages}, max_length=limit)
    assert (found.input_ids, found.labels) == (short.input_ids, short.labels)
    assert found.truncated == len(whole.input_ids) - len(short.input_ids)


def test_a_long_prompt_of_messages_gives_way_and_the_completion_stays() -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    prompt = [m for n in range(4) for m in _exchange(n)] + _exchange(4)[:1]
    example = {"prompt": prompt, "completion": _exchange(4)[1:]}
    short = row(tokenizer, {**example, "prompt": prompt[-3:]}, "completion")
    found = row(tokenizer, example, "completion", max_length=len(short.input_ids))
    assert (found.input_ids, found.labels) == (short.input_ids, short.labels)


def test_the_last_exchange_is_cut_by_tokens(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(
        tmp_path, chat_template="{{ bos_token }}" + t.CHATML, bos_token="<s>"
    )
    messages = [*_exchange(0), {"role": "user", "content": "what is " * 50}, *_exchange(1)[1:]]
    found = row(tokenizer, {"messages": messages}, max_length=30)
    assert len(found.input_ids) == 30
    assert found.input_ids[0] == tokenizer.bos_token_id
    assert trained_runs(tokenizer, found) == ["answer 1<|im_end|>"]


def test_what_the_template_refuses_without_its_beginning_is_cut_by_tokens() -> None:
    needs_four = (
        "{% if messages | length < 4 %}{{ raise_exception('too short') }}{% endif %}"
        + t.CHATML_MARKED
    )
    tokenizer = t.tokenizer_for(needs_four)
    found = row(tokenizer, {"messages": [*_exchange(0), *_exchange(1)]}, max_length=12)
    assert len(found.input_ids) == 12
    assert found.truncated > 0


def test_a_message_that_alone_trains_stays() -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    messages = [m for n in range(4) for m in _exchange(n)]
    marked = [
        {**m, "train": n == 3} if m["role"] == "assistant" else m for n, m in enumerate(messages)
    ]
    found = row(tokenizer, {"messages": marked}, max_length=70)
    assert trained_runs(tokenizer, found) == ["answer 1<|im_end|>"]


@pytest.mark.parametrize(
    ("loss_on", "example"),
    [
        ("all", {"text": "the quick brown fox jumps over"}),
        ("given", {"input_ids": list(range(20, 43))}),
        ("assistant", {"messages": [m for n in range(4) for m in _exchange(n)]}),
    ],
    ids=["text", "tokenized", "conversation"],
)
def test_split_makes_consecutive_rows(loss_on: str, example: dict[str, Any]) -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    whole = row(tokenizer, example, loss_on)
    wanted = TokenizeSettings(LossPlan.of(loss_on), max_length=4, overlong="split")
    [found] = tokenize_batch([example], tokenizer, wanted)  # type: ignore[list-item]  # test data
    assert not isinstance(found, RowProblem)
    pieces = [whole.input_ids[at : at + 4] for at in range(0, len(whole.input_ids), 4)]
    assert [p.input_ids for p in found] == [
        piece
        for at, piece in enumerate(pieces)
        if any(label != IGNORED for label in whole.labels[at * 4 : at * 4 + 4])
    ]
    assert sum(len(p.input_ids) + p.truncated for p in found) == len(whole.input_ids)


SHAPES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "tokenized": ("given", {"input_ids": [40, 41, 42]}, ["*"]),
    "labels": ("given", {"input_ids": [40, 41, 42], "labels": [-100, 41, -100]}, ["41"]),
    "labels, all": ("all", {"input_ids": [40, 41, 42], "labels": [-100, 41, -100]}, ["*"]),
}


@pytest.mark.parametrize(("loss_on", "example", "expected"), SHAPES.values(), ids=SHAPES)
def test_tokens_stay_as_they_are(
    loss_on: str, example: dict[str, Any], expected: list[str]
) -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    found = row(tokenizer, example, loss_on)
    assert found.input_ids == example["input_ids"]
    trained = [i for i in found.labels if i != IGNORED]
    assert trained == (example["input_ids"] if expected == ["*"] else [int(e) for e in expected])


def _segments(*segments: tuple[str, bool]) -> dict[str, Any]:
    return {"segments": [{"text": text, "train": train} for text, train in segments]}


SEGMENTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "last trains": ("given", _segments(("what", False), (" is", True)), " is<eos>"),
    "last does not": ("given", _segments(("what", True), (" is", False)), "what"),
    "between": ("given", _segments(("what", False), (" is", True), (" the", False)), " is"),
    "empty last": ("given", _segments(("what", False), (" is", True), ("", False)), " is<eos>"),
    "neighbours": ("given", _segments((" is", True), (" the", True)), " is the<eos>"),
    "all": ("all", _segments(("what", False), (" is", True)), "what is<eos>"),
}


@pytest.mark.parametrize(("loss_on", "example", "expected"), SEGMENTS.values(), ids=SEGMENTS)
def test_segments_train_as_marked(loss_on: str, example: dict[str, Any], expected: str) -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    found = row(tokenizer, example, loss_on)
    text = "".join(segment["text"] for segment in example["segments"])
    assert tokenizer.decode(found.input_ids) == text + "<eos>"
    assert "".join(trained_runs(tokenizer, found)) == expected


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "beyond the vocabulary": ({"input_ids": [1, 10**6]}, "token-not-in-vocabulary"),
    "fewer labels": ({"input_ids": [1, 2], "labels": [1]}, "labels-do-not-fit"),
    "other labels": ({"input_ids": [1, 2], "labels": [2, 2]}, "labels-do-not-fit"),
    "no token": ({"input_ids": []}, "empty-text"),
    "nothing trains": ({"input_ids": [1], "labels": [-100]}, "no-trained-token"),
    "no text": (_segments(("", True)), "empty-text"),
    "no trained segment": (_segments(("what", False)), "no-trained-token"),
}


@pytest.mark.parametrize(("example", "reason"), BROKEN.values(), ids=BROKEN)
def test_given_rows_that_cannot_be_used(example: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowProblem) as caught:
        row(t.tokenizer_for(t.CHATML), example, "given")
    assert caught.value.reason == reason


_TURN = st.tuples(st.sampled_from(["user", "assistant"]), st.text("ab c", max_size=12))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_TURN, min_size=1, max_size=8), st.integers(5, 60))
def test_a_truncated_conversation_fits_and_trains(turns: list[tuple[str, str]], limit: int) -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    messages = [{"role": role, "content": f"x{text}"} for role, text in turns]
    if not any(role == "assistant" for role, _ in turns):
        return
    whole = row(tokenizer, {"messages": messages})
    found = row(tokenizer, {"messages": messages}, max_length=limit)
    assert len(found.input_ids) <= limit
    assert found.truncated == len(whole.input_ids) - len(found.input_ids)
    assert any(label != IGNORED for label in found.labels)
