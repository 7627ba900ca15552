"""Writes the data of this example: sums in steps, half of which are wrong.

`python make_data.py [DIR]` writes `train.jsonl` and `held_out.jsonl`. A chain begins at a
number from 10 to 19, and each step adds or takes away one digit: "12 + 7 = 19", then
"19 - 4 = 15". Steps are wrong in no order, and a chain goes on from the result that is
written; so each step has to be judged by itself. Guessing is right half the time, and
looking only whether a number grew as its sign says, two times in three. No chain is
written twice.
"""

import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

Chain = tuple[int, tuple[str, ...]]
"""Where it begins, and its steps."""

NUMBERS = range(10, 20)
"""What a chain may come to."""

STEPS = 4
TRAIN, HELD_OUT = 8000, 400
"""Chains in each file."""

_NEAR = 5
"""How far a wrong result may be from the right one."""


def main(folder: Path) -> None:
    """Write both files into `folder`."""
    draw = random.Random(7)
    written: set[Chain] = set()
    folder.mkdir(parents=True, exist_ok=True)
    for name, chains in (("train.jsonl", TRAIN), ("held_out.jsonl", HELD_OUT)):
        text = "".join(json.dumps(row) + "\n" for row in _rows(draw, chains, written))
        (folder / name).write_text(text, encoding="utf-8")


def _rows(draw: random.Random, chains: int, written: set[Chain]) -> Iterator[dict[str, object]]:
    """Stepwise rows, half of whose steps are right; their chains are added to `written`."""
    labels = [True, False] * (chains * STEPS // 2)
    draw.shuffle(labels)
    for number in range(chains):
        own = labels[number * STEPS : (number + 1) * STEPS]
        chain = _chain(draw, own)
        while chain in written:
            chain = _chain(draw, own)
        written.add(chain)
        start, steps = chain
        yield {"prompt": f"From {start}.\n", "completions": steps, "labels": own}


def _chain(draw: random.Random, labels: Sequence[bool]) -> Chain:
    """A chain whose steps are right or wrong as they are labelled."""
    start = now = draw.choice(NUMBERS)
    steps = []
    for is_right in labels:
        result = draw.choice([number for number in NUMBERS if number != now])
        wrong = [n for n in NUMBERS if n != result and abs(n - result) <= _NEAR]
        written = result if is_right else draw.choice(wrong)
        sign = "+" if result > now else "-"
        steps.append(f"{now} {sign} {abs(result - now)} = {written}")
        now = written
    return start, tuple(steps)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "data"))
