"""Small data in every shape that an algorithm learns from, written as the files that recipes name."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recipe_runner.plan import Shape

Row = dict[str, Any]


def _sum(draw: random.Random) -> tuple[str, str, str]:
    a, b = draw.randint(0, 9), draw.randint(0, 9)
    return f"{a} + {b} =", f" {a + b}", f" {a + b + draw.randint(1, 5)}"


def _conversation(draw: random.Random) -> Row:
    question, right, _ = _sum(draw)
    turns = [
        {"role": "user", "content": f"what is {question}"},
        {"role": "assistant", "content": right.strip()},
    ]
    return {"messages": turns, "privileged_context": f"it is {right}"}


def _preference(draw: random.Random) -> Row:
    question, right, wrong = _sum(draw)
    return {
        "prompt": question,
        "chosen": right,
        "rejected": wrong,
        "reference": right,
        "margin": draw.choice([0.5, 1.0]),
    }


def _judged(draw: random.Random) -> Row:
    question, right, wrong = _sum(draw)
    good = draw.random() < 0.5
    return {"prompt": question, "completion": right if good else wrong, "label": good}


def _steps(draw: random.Random) -> Row:
    steps, labels = [], []
    for _ in range(draw.randint(1, 3)):
        question, right, wrong = _sum(draw)
        good = draw.random() < 0.5
        steps.append(question + (right if good else wrong))
        labels.append(good)
    return {"prompt": "add", "completions": steps, "labels": labels}


def _prompt(draw: random.Random) -> Row:
    question, right, _ = _sum(draw)
    return {
        "prompt": question,
        "answer": right.strip(),
        "privileged_context": f"the answer is {right}",
    }


def _completion(draw: random.Random) -> Row:
    question, right, _ = _sum(draw)
    return {"prompt": question, "completion": right}


def _text(draw: random.Random) -> Row:
    question, right, _ = _sum(draw)
    return {"text": question + right}


MAKERS: Mapping[Shape, Callable[[random.Random], Row]] = {
    "conversation": _conversation,
    "preference": _preference,
    "unpaired_preference": _judged,
    "stepwise": _steps,
    "prompt": _prompt,
    "prompt_completion": _completion,
    "text": _text,
}


def write(folder: Path, shape: Shape, rows: int = 48, seed: int = 0) -> Path:
    """Write `rows` rows of `shape`, and return the file."""
    draw = random.Random(f"{shape}{seed}")
    file = folder / f"{shape}.jsonl"
    file.write_text(
        "".join(json.dumps(MAKERS[shape](draw)) + "\n" for _ in range(rows)), encoding="utf-8"
    )
    return file
