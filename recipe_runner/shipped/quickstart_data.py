"""The quickstart's data set: small word skills, asked and answered as chat.

Training questions are about made-up words, held-out questions about real English
words, none of which is asked about in training. So a held-out answer shows the skill,
not a memory. Standard library only; the same arguments give the same bytes everywhere.

`python -m recipe_runner.shipped.quickstart_data DIR` writes the files of the recipe.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

QUESTIONS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        'Reverse the word "{}".': lambda word: word[::-1],
        'Sort the letters of "{}".': lambda word: "".join(sorted(word)),
        'Write "{}" in capitals.': str.upper,
    }
)
"""Each question, with a place for the word, and how a word is answered."""

VOWELS, CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxyz"
SHORTEST, LONGEST = 3, 7
"""Limits of a word's length, in letters."""


def real_words() -> tuple[str, ...]:
    """The English words of the held-out questions, in alphabetical order."""
    listed = files("recipe_runner.shipped") / "quickstart_words.txt"
    return tuple(listed.read_text(encoding="utf-8").split())


def conversations(*, rows: int, held_out: int, seed: int) -> tuple[list[str], list[str]]:
    """Make `rows` training and `held_out` held-out conversations, each one line of JSON.

    A question is asked once. Raises ValueError where there are fewer real words than
    the held-out questions need.
    """
    draw = _Draw(seed)
    kept_back = real_words()
    pairs = [(question, word) for word in kept_back for question in QUESTIONS]
    if held_out > len(pairs):
        raise ValueError(f"held_out is {held_out}, more than the {len(pairs)} questions there are")
    test = [pairs.pop(draw.below(len(pairs))) for _ in range(held_out)]
    banned = set(kept_back)
    train: dict[tuple[str, str], None] = {}
    questions = tuple(QUESTIONS)
    while len(train) < rows:
        question = questions[len(train) % len(questions)]
        word = draw.word()
        if word not in banned:
            train[question, word] = None
    return [_line(*pair) for pair in train], [_line(*pair) for pair in test]


def write(directory: Path, *, rows: int, held_out: int, seed: int) -> None:
    """Write `train.jsonl` and `held_out.jsonl`, in the messages format, into `directory`."""
    train, test = conversations(rows=rows, held_out=held_out, seed=seed)
    directory.mkdir(parents=True, exist_ok=True)
    _write_lines(directory / "train.jsonl", train)
    _write_lines(directory / "held_out.jsonl", test)


class _Draw:
    """Draws that are the same on every Python: only `random()` itself promises that."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def one(self, choices: Sequence[str]) -> str:
        return choices[self.below(len(choices))]

    def word(self) -> str:
        """A made-up word: runs of vowels and consonants, with letters that come again.

        A quarter of the letters repeat an earlier one: "paper" and "balloon" are where
        a sorted answer goes wrong if repetitions were rare in training.
        """
        length = SHORTEST + self.below(LONGEST - SHORTEST + 1)
        word, vowel = "", self.below(2) == 0
        while len(word) < length:
            again = word and self.below(4) == 0
            word += self.one(word if again else VOWELS if vowel else CONSONANTS)
            vowel = not vowel if self.below(4) else vowel
        return word


def _line(question: str, word: str) -> str:
    turns = [
        {"role": "user", "content": question.format(word)},
        {"role": "assistant", "content": QUESTIONS[question](word)},
    ]
    return json.dumps({"messages": turns})


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes("".join(line + "\n" for line in lines).encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the data set into the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m recipe_runner.shipped.quickstart_data")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    write(options.directory, rows=options.rows, held_out=options.held_out, seed=options.seed)


if __name__ == "__main__":
    main()
