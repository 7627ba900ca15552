"""Writes the data of this example: the quickstart's questions, answered in a new manner.

`python make_data.py [DIR]` writes `train.jsonl` and `held_out.jsonl`. The answers are the
quickstart's, followed by an exclamation mark, so that the adapter has one thing to learn.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from recipe_runner.shipped.quickstart_data import conversations


def main(folder: Path) -> None:
    """Write both files into `folder`."""
    train, held_out = conversations(rows=400, held_out=50, seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("train.jsonl", train), ("held_out.jsonl", held_out)):
        rows = [_with_a_mark(json.loads(line)["messages"]) for line in lines]
        text = "".join(json.dumps({"messages": row}) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")


def _with_a_mark(messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    *before, answer = messages
    return [*before, {**answer, "content": answer["content"] + "!"}]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data"))
