"""Writes the data of this example: answers that people have judged, one by one.

`python make_data.py [DIR]` writes `judged.jsonl`, in which polite answers have a thumb up
and curt ones a thumb down, each to a made-up word of its own, and `held_out.jsonl`, which
asks of real words.
"""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from recipe_runner.shipped.quickstart_data import conversations, real_words

ANSWERS, HELD_OUT = 3_200, 200
"""Rows in each file."""


def main(folder: Path) -> None:
    """Write both files into `folder`."""
    draw = random.Random(2)
    lines, _ = conversations(rows=ANSWERS, held_out=0, seed=2)
    words = sorted({_word(json.loads(line)["messages"]) for line in lines})
    draw.shuffle(words)
    folder.mkdir(parents=True, exist_ok=True)
    held_out = draw.sample(real_words(), HELD_OUT)
    for name, asked in (("judged", words), ("held_out", held_out)):
        text = "".join(json.dumps(_row(word, polite=draw.random() < 0.5)) + "\n" for word in asked)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _word(turns: Sequence[dict[str, str]]) -> str:
    """The word that a question of the quickstart is about."""
    return turns[0]["content"].split('"')[1]


def _row(word: str, *, polite: bool) -> dict[str, object]:
    answer = f"Gladly: {word.upper()}" if polite else word.upper()
    return {
        "prompt": [{"role": "user", "content": f'Write "{word}" in capitals.'}],
        "completion": [{"role": "assistant", "content": answer}],
        "label": polite,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data"))
