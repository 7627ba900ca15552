"""Prompts with answers that are too long: which tokens stay, and which rows are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize import AnswersRow, AnswersTokenizer, TokenizeSettings
from recipe_runner.execute.tokenize.prompts import PromptRow, PromptTokenizer
from recipe_runner.plan import LossPlan, TruncationMode
from recipe_runner.rows import RowProblem
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

# Digits are tokens of their own: a prompt of 6, answers of 3 and 5 with the end of sequence.
PAIR: Example = {"prompt": "123456", "chosen": "78", "rejected": "9012"}
END = "<|im_end|>"
BEGIN = "<|begin|>"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("beginning")
    return tiny_tokenizer(folder, bos_token=BEGIN, add_bos=True)


def made(tokenizer: Any, example: Example, **settings: Any) -> AnswersRow | RowProblem:
    chosen = TokenizeSettings(LossPlan("completion"), **settings)
    (result,) = AnswersTokenizer.of(tokenizer, chosen, AnswersTokenizer.PAIR)([example])
    if isinstance(result, RowProblem):
        return result
    (row,) = result
    assert isinstance(row, AnswersRow)
    return row


def words(tokenizer: Any, row: AnswersRow) -> tuple[str, ...]:
    return tuple(tokenizer.decode(row.part(name)) for name in row.names)


@pytest.mark.parametrize(
    ("limit", "mode", "wanted", "lost"),
    [
        (11, "keep_answer", ("123456", f"78{END}", f"9012{END}"), 0),
        (9, "keep_answer", ("3456", f"78{END}", f"9012{END}"), 2),
        (9, "keep_end", ("3456", f"78{END}", f"9012{END}"), 2),
        (9, "keep_start", ("123456", f"78{END}", "901"), 2),
        # The prompt is gone, and the longer answer loses its end, or its start.
        (4, "keep_answer", ("", f"78{END}", "9012"), 7),
        (4, "keep_end", ("", f"78{END}", f"012{END}"), 7),
    ],
)
def test_what_stays_of_a_pair(
    limit: int, mode: TruncationMode, wanted: tuple[str, ...], lost: int, tokenizer: Any
) -> None:
    row = made(tokenizer, PAIR, max_length=limit, truncation_mode=mode)
    assert isinstance(row, AnswersRow)
    assert words(tokenizer, row) == wanted
    assert row.truncated == lost
    assert row.length <= limit


def test_the_token_that_begins_a_text_stays(beginning: Any) -> None:
    row = made(beginning, PAIR, max_length=9)
    assert isinstance(row, AnswersRow)
    assert words(beginning, row) == (f"{BEGIN}456", f"78{END}", f"9012{END}")


def test_a_prompt_that_fills_the_row_leaves_no_answer(tokenizer: Any) -> None:
    problem = made(tokenizer, PAIR, max_length=6, truncation_mode="keep_start")
    assert isinstance(problem, RowProblem)
    assert problem.reason == "no-trained-token"
    assert "no token left of its chosen answer" in problem.message


@pytest.mark.parametrize(
    ("overlong", "reason"), [("drop", "over-length"), ("error", "over-length-refused")]
)
def test_a_long_pair_is_dropped_or_refused(overlong: str, reason: str, tokenizer: Any) -> None:
    problem = made(tokenizer, PAIR, max_length=10, overlong=overlong)
    assert isinstance(problem, RowProblem)
    assert (problem.reason, problem.message) == (reason, "has 11 tokens, above `max_length` 10")
    assert isinstance(made(tokenizer, PAIR, max_length=11, overlong=overlong), AnswersRow)


def test_a_third_answer_shares_the_prompt(tokenizer: Any) -> None:
    settings = TokenizeSettings(LossPlan("completion"))
    tokenize = AnswersTokenizer.of(tokenizer, settings, AnswersTokenizer.TRIPLE)
    with_third: Example = {**PAIR, "reference": "5"}
    (result,), (missing,) = tokenize([with_third]), tokenize([PAIR])
    assert not isinstance(result, RowProblem)
    assert isinstance(result[0], AnswersRow)
    assert words(tokenizer, result[0]) == ("123456", f"78{END}", f"9012{END}", f"5{END}")
    assert isinstance(missing, RowProblem)
    assert missing.reason == "missing-answer"


@pytest.mark.parametrize(
    ("overlong", "reason"),
    [
        ("truncate", "over-length-refused"),
        ("drop", "over-length"),
        ("error", "over-length-refused"),
    ],
)
def test_a_long_prompt_is_never_cut(overlong: Any, reason: str, tokenizer: Any) -> None:
    settings = TokenizeSettings(LossPlan("completion"), max_length=5, overlong=overlong)
    tokenize = PromptTokenizer.of(tokenizer, settings)
    short, long = tokenize([{"prompt": "12345", "columns": {"answer": [6]}}, {"prompt": "123456"}])
    assert not isinstance(short, RowProblem)
    assert isinstance(short[0], PromptRow)
    assert json.loads(short[0].item) == [
        ["answer"],
        {"prompt": "12345", "columns": {"answer": [6]}, "chat_template_kwargs": {}},
    ]
    assert isinstance(long, RowProblem)
    assert long.reason == reason


def test_a_column_that_is_no_json_is_a_problem_of_the_row(tokenizer: Any) -> None:
    tokenize = PromptTokenizer.of(tokenizer, TokenizeSettings(LossPlan("completion")))
    (problem,) = tokenize([{"prompt": "1", "columns": {"image": b"abc"}}])
    assert isinstance(problem, RowProblem)
    assert problem.reason == "not-json"
