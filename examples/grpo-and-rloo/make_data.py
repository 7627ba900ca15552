"""Writes the data of this example: words in capitals, of which nobody shows a right one.

`python make_data.py [DIR]` writes `answers.jsonl` for the first stage, whose letters are
capitals or small as a coin falls, and `questions.jsonl` for the second, where the right
answer stands in a column that only the reward reads. Both are about made-up words;
`held_out.jsonl` asks about real ones.
"""

import json
import random
import sys
from pathlib import Path

from recipe_runner.shipped.quickstart_data import conversations, real_words

ANSWERS, QUESTIONS, HELD_OUT = 9_600, 1_600, 100
"""Rows in the files."""


def main(folder: Path) -> None:
    """Write the files into `folder`."""
    draw = random.Random(4)
    words = _made_up_words(ANSWERS + QUESTIONS)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "answers": [_conversation(draw, word) for word in words[:ANSWERS]],
        "questions": [_question(word) for word in words[ANSWERS:]],
        "held_out": [_question(word) for word in draw.sample(real_words(), HELD_OUT)],
    }
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _made_up_words(count: int) -> list[str]:
    """The words of the quickstart's questions, each of which is about another one."""
    lines, _ = conversations(rows=3 * count, held_out=0, seed=4)
    turns = [json.loads(line)["messages"] for line in lines]
    return [answer["content"].lower() for asked, answer in turns if "capitals" in asked["content"]]


def _prompt(word: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f'Write "{word}" in capitals.'}]


def _conversation(draw: random.Random, word: str) -> dict[str, object]:
    letters = (letter.upper() if draw.random() < 0.5 else letter for letter in word)
    return {"messages": [*_prompt(word), {"role": "assistant", "content": "".join(letters)}]}


def _question(word: str) -> dict[str, object]:
    return {"prompt": _prompt(word), "answer": word.upper()}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data"))
