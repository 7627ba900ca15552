"""Steps become tokens with a class where each of them ends, whatever the tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipe_runner.components.format import Example
from recipe_runner.components.formats.stepwise import Stepwise
from recipe_runner.execute.tokenize import Tokenized, TokenizeSettings
from recipe_runner.execute.tokenize.steps import StepTokenizer
from recipe_runner.plan import LossPlan
from recipe_runner.plan.data import Overlong
from recipe_runner.rows import RowProblem
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

BEGIN = "<|begin|>"
ROW = {
    "prompt": "what is 1 + 2 - 3\n",
    "completions": ["1 + 2 = 3", "so 3 - 3 = 1", "1"],
    "labels": [True, False, False],
}
TOKENIZERS: dict[str, dict[str, Any]] = {
    "without a beginning": {},
    "with one that it does not write": {"bos_token": BEGIN},
    "with one that it writes": {"bos_token": BEGIN, "add_bos": True},
}


@pytest.fixture(scope="module", params=TOKENIZERS.values(), ids=[*TOKENIZERS])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"), **request.param)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_tokenizer(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def words() -> Any:
    """A tokenizer that leaves white space out, as many encoders' do."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"?": 0, "one": 1, "two": 2}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?", pad_token="?")


def example(row: Any = ROW) -> Example:
    return Stepwise(type="stepwise").to_example(row)


def result(
    tokenizer: Any,
    given: Example,
    *,
    limit: int | None = None,
    overlong: Overlong = "truncate",
    separator: str = "\n",
    last_step_only: bool = False,
) -> tuple[Tokenized, ...] | RowProblem:
    asked = TokenizeSettings(LossPlan.of("all"), max_length=limit, overlong=overlong)
    tokenize = StepTokenizer.of(
        tokenizer, asked, separator=separator, last_step_only=last_step_only
    )
    [found] = tokenize([given])
    return found


def row_of(tokenizer: Any, given: Example, **options: Any) -> Tokenized:
    found = result(tokenizer, given, **options)
    assert isinstance(found, tuple), found
    [row] = found
    assert len(row.input_ids) == len(row.labels)
    return row


def judged(row: Tokenized) -> list[tuple[int, int]]:
    """Places and classes of a row's labels."""
    return [(place, label) for place, label in enumerate(row.labels) if label != -100]


def text_until(tokenizer: Any, row: Tokenized, place: int) -> str:
    ids = row.input_ids[: place + 1]
    if tokenizer.bos_token_id is not None:
        assert ids.pop(0) == tokenizer.bos_token_id
    text: str = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    return text


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=TEXTS,
    steps=st.lists(st.tuples(TEXTS.filter(bool), st.booleans()), min_size=1, max_size=5),
    separator=st.sampled_from(["\n", "", "\n\n", " ки\n", "<|im_end|>"]),
)
def test_what_stands_before_a_label_is_the_answer_up_to_the_end_of_its_step(
    tokenizer: Any, prompt: str, steps: list[tuple[str, bool]], separator: str
) -> None:
    given = example(
        {
            "prompt": prompt,
            "completions": [text for text, _ in steps],
            "labels": [label for _, label in steps],
        }
    )
    row = row_of(tokenizer, given, separator=separator)
    assert [label for _, label in judged(row)] == [int(label) for _, label in steps]
    for number, (place, _) in enumerate(judged(row), 1):
        before = prompt + "".join(text + separator for text, _ in steps[:number])
        assert text_until(tokenizer, row, place) == before
    assert judged(row)[-1][0] == len(row.labels) - 1
    assert row.truncated == 0


def test_a_prompt_that_begins_with_the_token_of_the_beginning_has_it_once(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path, bos_token=BEGIN)
    row = row_of(tokenizer, example({**ROW, "prompt": BEGIN + "what"}))
    assert row.input_ids.count(tokenizer.bos_token_id) == 1
    assert row.input_ids[0] == tokenizer.bos_token_id


def test_a_step_has_the_same_tokens_in_every_answer(plain: Any) -> None:
    # Two line breaks in a row would be one token, as in the tokenizers of current models.
    alone = row_of(plain, example({"prompt": "", "completions": ["3\n"], "labels": [True]}))
    after = row_of(
        plain, example({"prompt": "1", "completions": ["2\n", "3\n"], "labels": [True, True]})
    )
    assert plain("3\n\n")["input_ids"] != alone.input_ids
    assert after.input_ids[-len(alone.input_ids) :] == alone.input_ids


def test_whole_steps_are_left_out_from_the_end_of_a_row_that_is_too_long(tokenizer: Any) -> None:
    whole = row_of(tokenizer, example())
    ends = [place + 1 for place, _ in judged(whole)]
    assert len(ends) == 3
    for limit in range(1, len(whole.input_ids) + 1):
        kept = [end for end in ends if end <= limit]
        found = result(tokenizer, example(), limit=limit)
        if not kept:
            assert isinstance(found, RowProblem)
            assert found.reason == "no-trained-token"
            assert f"above `max_length` {limit}, and the end of all its 3 steps" in found.message
            continue
        row = row_of(tokenizer, example(), limit=limit)
        assert row.input_ids == whole.input_ids[: kept[-1]]
        assert row.labels == whole.labels[: kept[-1]]
        assert len(judged(row)) == len(kept)
        assert row.truncated == len(whole.input_ids) - kept[-1]


@pytest.mark.parametrize(
    ("overlong", "reason"), [("drop", "over-length"), ("error", "over-length-refused")]
)
def test_a_row_that_is_too_long_is_dropped_or_refused_where_that_is_asked(
    plain: Any, overlong: Overlong, reason: str
) -> None:
    count = len(row_of(plain, example()).input_ids)
    assert row_of(plain, example(), limit=count, overlong=overlong).truncated == 0
    found = result(plain, example(), limit=count - 1, overlong=overlong)
    assert isinstance(found, RowProblem)
    assert (found.reason, found.message) == (
        reason,
        f"has {count} tokens, above `max_length` {count - 1}",
    )


def test_of_an_answer_only_the_last_step_counts_where_that_is_asked(plain: Any) -> None:
    every = row_of(plain, example())
    last = row_of(plain, example(), last_step_only=True)
    assert last.input_ids == every.input_ids
    assert judged(last) == judged(every)[-1:]
    cut_off = result(plain, example(), last_step_only=True, limit=len(every.input_ids) - 1)
    assert isinstance(cut_off, RowProblem)
    assert cut_off.reason == "no-trained-token"
    assert "the end of its last step is cut off" in cut_off.message


def test_without_tokens_of_the_separator_a_step_is_judged_at_its_own_last(words: Any) -> None:
    given = example({"prompt": "one", "completions": ["one two", "two"], "labels": [True, False]})
    row = row_of(words, given)
    assert row.input_ids == [1, 1, 2, 2]
    assert row.labels == [-100, -100, 1, 0]


def test_rows_that_cannot_be_judged_say_why_in_their_place(words: Any) -> None:
    rows: list[Example] = [
        {"prompt": "one", "completions": ["two", " "], "labels": [True, True]},
        {"prompt": "one", "completions": ["two"], "labels": [True]},
        {"messages": [{"role": "user", "content": "one"}]},
        {"prompt": [{"role": "user", "content": "one"}], "completions": ["two"], "labels": [True]},
    ]
    tokenize = StepTokenizer.of(words, TokenizeSettings(LossPlan.of("all")))
    nothing, row, other, chat = tokenize(rows)
    assert isinstance(row, tuple)
    assert isinstance(nothing, RowProblem)
    assert (nothing.reason, nothing.message) == (
        "empty-completion",
        "has no token in step 2 of its 2",
    )
    for problem in (other, chat):
        assert isinstance(problem, RowProblem)
        assert problem.reason == "not-an-example"


def test_steps_are_not_split(plain: Any) -> None:
    with pytest.raises(ValueError, match="overlong=split"):
        result(plain, example(), overlong="split")
