"""Writes the data of the second stage: the quickstart's questions, without their answers.

`python make_data.py [DIR]` writes `prompts.jsonl` and `held_out.jsonl`, whose questions are
about words that no other file asks about.
"""

import json
import sys
from pathlib import Path

from recipe_runner.shipped.quickstart_data import conversations


def main(folder: Path) -> None:
    """Write both files into `folder`."""
    train, held_out = conversations(rows=4_800, held_out=200, seed=5)
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("prompts", train), ("held_out", held_out)):
        asked = [json.loads(line)["messages"][:-1] for line in lines]
        text = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in asked)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data"))
