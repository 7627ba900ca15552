"""Likeness estimated from signatures agrees with the Jaccard index computed by brute force."""

from __future__ import annotations

import itertools
import random
import re
from functools import cache

import numpy as np
import pytest

from recipe_runner.components.format import Example
from recipe_runner.execute.data.near_duplicates import bands_for, first_of_alike, likeness
from recipe_runner.execute.data.signatures import SIZE, signature_of

WORDS = [f"word{n}" for n in range(3000)]


@cache
def runs_of_five(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return frozenset(tuple(words[at : at + 5]) for at in range(len(words) - 4))


def jaccard(one: str, other: str) -> float:
    """The Jaccard index of the sets of five words in a row, by the definition."""
    a, b = runs_of_five(one), runs_of_five(other)
    return len(a & b) / len(a | b)


def signatures(texts: list[str]) -> np.ndarray:
    made = b"".join(signature_of({"text": text}) for text in texts)
    rows: np.ndarray = np.frombuffer(made, np.uint32).reshape(-1, SIZE)
    return rows


def planted(seed: int) -> list[str]:
    """300 texts of their own, and 200 that change from none to 12 words of one before them."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(60, 160))) for _ in range(300)]
    for _ in range(200):
        words = draw.choice(texts[:300]).split()
        for at in draw.sample(range(len(words)), draw.randint(0, 12)):
            words[at] = draw.choice(WORDS)
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_near_duplicates_are_those_of_brute_force(threshold: float) -> None:
    texts = planted(seed=3)
    found = first_of_alike(signatures(texts), threshold, rows=np.arange(len(texts)))
    exact = {
        (first, later): index
        for first, later in itertools.combinations(range(len(texts)), 2)
        if (index := jaccard(texts[first], texts[later])) > 0.1
    }
    # Three standard errors of the estimate around the threshold are left to chance.
    margin = 3 * (threshold * (1 - threshold) / SIZE) ** 0.5
    wrong = [
        (first, later)
        for later, first in enumerate(found.tolist())
        if first != later and exact.get((first, later), 0) < threshold - margin
    ]
    kept = set(np.flatnonzero(found == np.arange(len(texts))).tolist())
    missed = [
        (first, later)
        for (first, later), index in exact.items()
        if index >= threshold + margin and first in kept and later in kept
    ]
    assert wrong == []
    assert missed == []
    # At the threshold itself most are found as well.
    pairs = [pair for pair, index in exact.items() if index >= threshold]
    assert pairs
    assert sum(first in kept and later in kept for first, later in pairs) / len(pairs) < 0.1


def test_the_estimate_is_as_exact_as_promised() -> None:
    texts = planted(seed=5)
    made = signatures(texts)
    pairs = [
        (a, b, index)
        for a in range(300)
        for b in range(300, 500)
        if (index := jaccard(texts[a], texts[b])) > 0.1
    ]
    one, other = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    errors = likeness(made, one, other) - np.array([p[2] for p in pairs])
    assert abs(errors.mean()) < 0.015
    assert errors.std() < 0.5 / SIZE**0.5


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_bands_let_alike_rows_meet(threshold: float) -> None:
    bands, length = bands_for(threshold)
    assert bands * length <= SIZE
    assert 1 - (1 - threshold**length) ** bands >= 0.95


def test_likeness_is_not_passed_on() -> None:
    # Each text keeps about 0.85 of the one before it: the ends of the chain are unlike.
    draw = random.Random(2)
    words = draw.choices(WORDS, k=300)
    texts = []
    for step in range(6):
        texts.append(" ".join(words))
        words[step * 40 : step * 40 + 20] = draw.choices(WORDS, k=20)
    found = first_of_alike(signatures(texts), 0.75, rows=np.arange(len(texts))).tolist()
    for later, first in enumerate(found):
        assert found[first] == first
        assert first == later or jaccard(texts[first], texts[later]) > 0.65
    assert found[1] == 0
    assert found[-1] != 0


def test_rows_apart_are_compared_with_the_others_only() -> None:
    texts = planted(seed=7)[:4]
    made = signatures([texts[0], texts[0], texts[1], texts[1], texts[0]])
    found = first_of_alike(made, 0.8, rows=np.array([0, 1, 2]), among=np.array([3, 4]))
    assert found.tolist() == [4, 4, 3, 3, 4]


A, B = "one two three four five six seven", "one two three four five six eight"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        pytest.param({"text": A}, {"text": A.upper() + "!"}, True, id="case and punctuation"),
        pytest.param({"text": "one two"}, {"text": "one three"}, False, id="fewer than five words"),
        pytest.param({"text": "我喜欢吃苹果"}, {"text": "我喜欢吃苹果。"}, True, id="Chinese"),
        pytest.param({"text": "我喜欢吃苹果"}, {"text": "他不爱写作业"}, False, id="other Chinese"),
        pytest.param(
            {"prompt": A, "completion": B, "label": True},
            {"prompt": A, "completion": B, "label": False},
            False,
            id="another label",
        ),
        pytest.param(
            {"prompt": "x", "chosen": A, "rejected": B},
            {"prompt": "x", "chosen": B, "rejected": A},
            False,
            id="answers changed over",
        ),
        pytest.param(
            {"input_ids": [1, 2, 3, 4, 5, 6]}, {"input_ids": [1, 2, 3, 4, 5, 6]}, True, id="tokens"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "image", "image": "a.png"}]}]},
            {"messages": [{"role": "user", "content": [{"type": "image", "image": "b.png"}]}]},
            False,
            id="another image",
        ),
        pytest.param({"text": ":-)"}, {"text": ":-("}, False, id="no words"),
    ],
)
def test_what_makes_signatures_equal(one: Example, other: Example, equal: bool) -> None:
    made = np.frombuffer(signature_of(one) + signature_of(other), np.uint32).reshape(2, SIZE)
    share = likeness(made, np.array([0]), np.array([1]))[0]
    assert (share == 1) if equal else (share < 0.8)
    if not equal and "label" in one:
        assert share < 0.1
