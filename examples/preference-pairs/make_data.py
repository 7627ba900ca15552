"""Writes the data of this example: words in capitals, said in two manners.

`python make_data.py [DIR]` writes, with made-up words, `answers.jsonl` for the first stage:
each word is asked for once, and a quarter of the answers are polite. `pairs.jsonl` is for the
second: two answers to a question, both right, of which the polite one is preferred.
`held_out_answers.jsonl` and `held_out_pairs.jsonl` ask the same of real words.
"""

import json
import random
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recipe_runner.shipped.quickstart_data import conversations, real_words

QUESTION = 'Write "{}" in capitals.'
ANSWERS, PAIRS, HELD_OUT = 4_800, 1_600, 200
"""Rows in each file."""


def main(folder: Path) -> None:
    """Write the four files into `folder`."""
    draw = random.Random(1)
    words = made_up_words(ANSWERS + PAIRS)
    asked = draw.sample(real_words(), HELD_OUT)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "answers": (_conversation(word, polite=draw.random() < 0.25) for word in words[:ANSWERS]),
        "pairs": map(_pair, words[ANSWERS:]),
        "held_out_answers": (_conversation(word, polite=False) for word in asked),
        "held_out_pairs": map(_pair, asked),
    }
    for name, rows in files.items():
        _write(folder / f"{name}.jsonl", rows)


def made_up_words(count: int) -> list[str]:
    """The words of the quickstart's questions."""
    lines, _ = conversations(rows=3 * count, held_out=0, seed=1)
    turns = [json.loads(line)["messages"] for line in lines]
    return [answer["content"].lower() for asked, answer in turns if "capitals" in asked["content"]]


def _conversation(word: str, *, polite: bool) -> Mapping[str, Any]:
    return {"messages": [_asked(word), _answer(word, polite=polite)]}


def _pair(word: str) -> Mapping[str, Any]:
    return {
        "prompt": [_asked(word)],
        "chosen": [_answer(word, polite=True)],
        "rejected": [_answer(word, polite=False)],
    }


def _asked(word: str) -> dict[str, str]:
    return {"role": "user", "content": QUESTION.format(word)}


def _answer(word: str, *, polite: bool) -> dict[str, str]:
    text = f"Gladly: {word.upper()}" if polite else word.upper()
    return {"role": "assistant", "content": text}


def _write(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data"))
