"""Shows what PPO changed: `python show.py [RUN]`, from the answers that the run kept.

The run answers the held-out prompts before its first step and after its last one, and writes
answers into `completions.jsonl` with what each was worth.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


def main(run: Path) -> None:
    """Print what the answers are like at the beginning and at the end."""
    lines = (run / "completions.jsonl").read_text(encoding="utf-8").splitlines()
    held_out = [each for each in map(json.loads, lines) if "held_out" in each["row"]]
    before = [each for each in held_out if each["step"] == held_out[0]["step"]]
    after = [each for each in held_out if each["step"] == held_out[-1]["step"]]
    print(f"{'answers to held-out prompts':<30}{'before':>8}{'after':>8}")
    print(f"{'reward':<30}{mean(before, 'model'):>8.2f}{mean(after, 'model'):>8.2f}")
    for name in ("ends_in_a_vowel", "begins_as_asked"):
        words = name.replace("_", " ")
        print(f"{words:<30}{mean(before, name):>8.1%}{mean(after, name):>8.1%}")
    print(f"{'as long as asked':<30}{as_long(before):>8.1%}{as_long(after):>8.1%}")
    for one, other in list(zip(before, after, strict=True))[::16]:
        print(one["prompt"][0]["content"], text(one), text(other), sep="  |  ")


def mean(answers: Sequence[Answer], reward: str) -> float:
    """What the answers are worth by one of the rewards."""
    return sum(each["rewards"][reward] for each in answers) / len(answers)


def as_long(answers: Sequence[Answer]) -> float:
    """The share of answers that have as many letters as their prompt asks for."""
    wanted = [re.search(r"\d", each["prompt"][0]["content"]) for each in answers]
    right = [
        str(len(text(a))) == found[0] for a, found in zip(answers, wanted, strict=True) if found
    ]
    return sum(right) / len(right)


def text(answer: Answer) -> str:
    """What the model said."""
    return str(answer["completion"][0]["content"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/reward-and-ppo/ppo"))
