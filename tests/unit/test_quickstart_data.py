"""The quickstart's data set: same bytes everywhere, right answers, nothing held out leaks."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from recipe_runner.shipped.quickstart_data import conversations, main, real_words, write

DIGESTS = ["e9a826adce62cd8b", "423ab3ed94eb575e"]
"""Of 300 rows, 40 held out, seed 7: pinned, so that a Python that makes other bytes is noticed."""


def asked_and_answered(line: str) -> tuple[str, str, str]:
    """The question without its word, the word, and the answer."""
    user, assistant = json.loads(line)["messages"]
    assert (user["role"], assistant["role"]) == ("user", "assistant")
    (word,) = re.findall('"([a-z]+)"', user["content"])
    return user["content"].replace(f'"{word}"', ""), word, assistant["content"]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("first", "second"):
        write(tmp_path / name, rows=300, held_out=40, seed=7)
        files = [tmp_path / name / file for file in ("train.jsonl", "held_out.jsonl")]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files])
    assert digests[0] == digests[1] == DIGESTS


def test_another_seed_gives_other_questions() -> None:
    first = conversations(rows=50, held_out=20, seed=0)
    second = conversations(rows=50, held_out=20, seed=1)
    assert not set(first[0]) & set(second[0])
    assert first[1] != second[1]


def test_every_answer_is_right() -> None:
    train, test = conversations(rows=600, held_out=100, seed=0)
    seen: Counter[str] = Counter()
    for line in train + test:
        question, word, answer = asked_and_answered(line)
        seen[question] += 1
        if question.startswith("Reverse"):
            assert [*answer] == [*reversed(word)]
        elif question.startswith("Sort"):
            assert Counter(answer) == Counter(word)
            assert all(one <= other for one, other in pairwise(answer))
        else:
            assert answer.isupper()
            assert answer.lower() == word
    assert len(seen) == 3
    assert min(seen.values()) > 200


def test_training_asks_nothing_twice_and_nothing_held_out() -> None:
    train, test = conversations(rows=5000, held_out=200, seed=0)
    assert len(set(train)) == 5000
    assert len(set(test)) == 200
    held_out = {asked_and_answered(line)[1] for line in test}
    assert held_out <= set(real_words())
    assert not set(real_words()) & {asked_and_answered(line)[1] for line in train}


def test_the_listed_words_are_words_of_three_to_seven_letters() -> None:
    words = real_words()
    assert list(words) == sorted(set(words))
    assert all(re.fullmatch("[a-z]{3,7}", word) for word in words)


def test_more_held_out_questions_than_words_are_refused() -> None:
    limit = 3 * len(real_words())
    assert len(conversations(rows=1, held_out=limit, seed=0)[1]) == limit
    with pytest.raises(ValueError, match=f"more than the {limit} questions"):
        conversations(rows=1, held_out=limit + 1, seed=0)


def test_the_command_writes_both_files(tmp_path: Path) -> None:
    main([str(tmp_path / "data"), "--rows", "30", "--held-out", "5"])
    assert len((tmp_path / "data" / "train.jsonl").read_text().splitlines()) == 30
    assert len((tmp_path / "data" / "held_out.jsonl").read_text().splitlines()) == 5
