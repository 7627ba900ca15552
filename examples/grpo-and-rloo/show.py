"""Shows what answers were worth before a run and after it: `python show.py RUN`.

A run with `eval_on_start: true` answers the prompts of `data.eval` before its first step, and
again after its last one. `completions.jsonl` holds these answers, with what each reward of the
recipe said of them; training answers stand between.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHOWN = 4

Answer = dict[str, Any]


def main(run: Path) -> None:
    """Print the mean of each reward at the beginning and at the end, and some answers."""
    lines = (run / "completions.jsonl").read_text(encoding="utf-8").splitlines()
    answers: list[Answer] = [json.loads(line) for line in lines]
    source = _source(answers[0])
    evaluated = [each for each in answers if _source(each) == source]
    before = [each for each in evaluated if each["step"] == evaluated[0]["step"]]
    after = [each for each in evaluated if each["step"] == evaluated[-1]["step"]]
    print(f"{'answers to held-out questions':<36}{'before':>8}{'after':>8}")
    for name in before[0]["rewards"]:
        print(f"  {name:<34}{_mean(before, name):>8.3f}{_mean(after, name):>8.3f}")
    for one, other in list(zip(before, after, strict=True))[:: len(after) // SHOWN]:
        print(f"  {one['prompt'][-1]['content']:<34}{_text(one):>8}{_text(other):>8}")


def _source(answer: Answer) -> str:
    """The file of the row that was answered."""
    return str(answer["row"]).rpartition(":")[0]


def _mean(answers: Sequence[Answer], reward: str) -> float:
    return sum(each["rewards"][reward] for each in answers) / len(answers)


def _text(answer: Answer) -> str:
    return str(answer["completion"][-1]["content"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
