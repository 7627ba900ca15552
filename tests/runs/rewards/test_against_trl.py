"""Rewards beside TRL's own functions: the same numbers for the same answers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.rewards import build_rewards
from recipe_runner.plan import RewardPlan
from tests.runs.rewards.conftest import Planned

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def tokenizer(chatml_tokenizer: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(chatml_tokenizer)


def ours(planned: Planned, tokenizer: Any, type_: str, **options: Any) -> Any:
    return build_rewards(planned(RewardPlan(type_, type_, options=options)), tokenizer, None)[0]


def said(*texts: str) -> list[list[dict[str, str]]]:
    return [[{"role": "assistant", "content": text}] for text in texts]


def answers_of_many_lengths() -> list[list[int]]:
    draw = random.Random(0)
    # Tokens 10 to 14 are no padding; so few of them repeat themselves soon.
    return [[draw.randint(10, 14) for _ in range(length)] for length in range(40)]


@pytest.mark.parametrize(("longest", "cache"), [(20, 5), (30, 30), (12, 0), (100, 20)])
def test_soft_overlong_is_trls(longest: int, cache: int, planned: Planned, tokenizer: Any) -> None:
    from trl.rewards import get_soft_overlong_punishment

    ids = answers_of_many_lengths()
    reward = ours(
        planned, tokenizer, "soft_overlong", max_completion_len=longest, soft_punish_cache=cache
    )
    theirs = get_soft_overlong_punishment(longest, cache)(completion_ids=ids)
    assert reward(["?"] * len(ids), ["!"] * len(ids), ids) == pytest.approx(theirs)


@pytest.mark.parametrize(("size", "penalty"), [(1, -1.0), (2, -0.5), (3, -2.0), (4, 0.0)])
def test_repetition_is_trls(size: int, penalty: float, planned: Planned, tokenizer: Any) -> None:
    from trl.rewards import get_repetition_penalty_reward

    ids = answers_of_many_lengths()
    reward = ours(planned, tokenizer, "repetition", ngram_size=size, max_penalty=penalty)
    theirs = get_repetition_penalty_reward(size, penalty)(completion_ids=ids)
    assert reward(["?"] * len(ids), ["!"] * len(ids), ids) == pytest.approx(theirs)


THOUGHTS = [
    "<think>\n2 and 2\n</think>\n4",
    "<think>2 and 2 4",
    "4",
    " <think>x</think>4",
    "<think><think>x</think>4",
    "<think>x</think><think>y</think>4",
    "",
]


def test_think_format_is_trls(planned: Planned, tokenizer: Any) -> None:
    from trl.rewards import think_format_reward

    theirs = think_format_reward(said(*THOUGHTS))
    assert theirs == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    reward = ours(planned, tokenizer, "think_format")
    assert reward(["?"] * len(THOUGHTS), THOUGHTS) == theirs
    assert reward(["?"] * len(THOUGHTS), said(*THOUGHTS)) == theirs


SUMS = [
    (r"so \boxed{\frac{1}{3}}", r"\frac{1}{3}"),
    (r"so \boxed{\frac{1}{2}}", r"\frac{1}{3}"),
    (r"<think>\boxed{1}</think> so \boxed{42}", "42"),
    (r"<think>\boxed{42}", "42"),
    ("42", "42"),
]


@pytest.mark.parametrize(
    ("type_", "options", "name"),
    [
        ("accuracy", {}, "accuracy_reward"),
        ("reasoning_accuracy", {}, "reasoning_accuracy_reward"),
        ("reasoning_accuracy", {"reasoning_delimiters": ["so"]}, "reasoning_accuracy_reward"),
    ],
)
def test_accuracy_is_trls(
    type_: str, options: dict[str, Any], name: str, planned: Planned, tokenizer: Any
) -> None:
    pytest.importorskip("math_verify")
    import trl.rewards

    texts, right = [s[0] for s in SUMS], [s[1] for s in SUMS]
    theirs = getattr(trl.rewards, name)(said(*texts), right, **options)
    assert 0 < sum(theirs) < len(theirs)
    reward = ours(planned, tokenizer, type_, column="right", **options)
    assert reward(["?"] * len(texts), texts, right=right) == theirs


def test_cosine_accuracy_is_trls(planned: Planned, tokenizer: Any) -> None:
    pytest.importorskip("math_verify")
    from trl.rewards import get_cosine_scaled_reward

    texts, right = [s[0] for s in SUMS], [s[1] for s in SUMS]
    ids = [[10] * 9 * n for n in range(len(SUMS))]
    theirs = get_cosine_scaled_reward(30, max_value_wrong=-0.25)(said(*texts), right, ids)
    reward = ours(planned, tokenizer, "cosine_accuracy", max_len=30, max_value_wrong=-0.25)
    assert reward(["?"] * len(texts), texts, ids, solution=right) == pytest.approx(theirs)
    assert len(set(theirs)) == len(theirs)


def test_solution_that_trl_cannot_read_ends_the_run(planned: Planned, tokenizer: Any) -> None:
    pytest.importorskip("math_verify")
    reward = ours(planned, tokenizer, "accuracy")
    with pytest.raises(DiagnosticError) as raised:
        reward(["?"] * 2, ["4", "5"], solution=["4", "none"], _row=["q.jsonl:1", "q.jsonl:2"])
    (found,) = raised.value.diagnostics
    assert found.code.id == "RR717"
    assert "the answer to q.jsonl:2: TRL cannot read" in found.message
    assert "column `solution`" in found.message
