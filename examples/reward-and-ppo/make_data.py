"""Writes the data of this example: invented words, and which of two people like better.

`python make_data.py [DIR]` writes `answers.jsonl`, words as they come, for the first stage;
`pairs.jsonl` for the second, of which the word is preferred that ends in a vowel, as few
words do; and `prompts.jsonl` for the third. No word of the training pairs is in
`held_out_pairs.jsonl`, and `held_out_prompts.jsonl` asks for letters and lengths that no
other file asks for together.
"""

import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple

VOWELS = "aeiou"
CONSONANTS = "".join(letter for letter in ascii_lowercase if letter not in VOWELS)
LENGTHS = range(4, 8)
ANSWERS, PAIRS, HELD_OUT_PAIRS, HELD_OUT_PROMPTS = 6_400, 1_600, 300, 16
"""Rows in the files."""

_LIKED = 0.2
"""The share of words that end in a vowel."""


class Wish(NamedTuple):
    """A word that is asked for."""

    letter: str
    length: int

    @property
    def prompt(self) -> list[dict[str, str]]:
        text = f'Write a word of {self.length} letters with "{self.letter}".'
        return [{"role": "user", "content": text}]


def main(folder: Path) -> None:
    """Write the files into `folder`."""
    draw = random.Random(3)
    wishes = [Wish(*each) for each in product(ascii_lowercase, LENGTHS)]
    draw.shuffle(wishes)
    held_out, wishes = wishes[:HELD_OUT_PROMPTS], wishes[HELD_OUT_PROMPTS:]
    pairs = list(_pairs(draw, wishes, PAIRS + HELD_OUT_PAIRS))
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "answers": _conversations(draw, wishes, ANSWERS),
        "held_out_answers": _conversations(draw, held_out, 200),
        "pairs": pairs[HELD_OUT_PAIRS:],
        "held_out_pairs": pairs[:HELD_OUT_PAIRS],
        "prompts": [{"prompt": wish.prompt, "letter": wish.letter} for wish in wishes],
        "held_out_prompts": [{"prompt": wish.prompt, "letter": wish.letter} for wish in held_out],
    }
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _invent(draw: random.Random, wish: Wish, *, liked: bool) -> str:
    """Vowels and consonants as they come, but for the last letter."""
    inner = "".join(
        draw.choice(VOWELS if draw.random() < 0.5 else CONSONANTS) for _ in range(wish.length - 2)
    )
    return wish.letter + inner + draw.choice(VOWELS if liked else CONSONANTS)


def _answer(word: str) -> dict[str, str]:
    return {"role": "assistant", "content": word}


def _conversations(
    draw: random.Random, wishes: Sequence[Wish], count: int
) -> Iterator[Mapping[str, Any]]:
    for _ in range(count):
        wish = draw.choice(wishes)
        word = _invent(draw, wish, liked=draw.random() < _LIKED)
        yield {"messages": [*wish.prompt, _answer(word)]}


def _pairs(draw: random.Random, wishes: Sequence[Wish], count: int) -> Iterator[Mapping[str, Any]]:
    """Pairs of words of which no other pair has one."""
    seen: set[str] = set()
    while count:
        wish = draw.choice(wishes)
        better, worse = (_invent(draw, wish, liked=liked) for liked in (True, False))
        if seen & {better, worse}:
            continue
        seen |= {better, worse}
        count -= 1
        yield {"prompt": wish.prompt, "chosen": [_answer(better)], "rejected": [_answer(worse)]}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data"))
