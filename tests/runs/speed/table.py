"""`python -m tests.runs.speed.table [ALGORITHM ...]`: every lever on every algorithm, on a CPU.

Two optimizer steps with `speed: off` and with `speed: auto` for each algorithm, in full, with
LoRA, and with LoRA on a base in 4 and in 8 bits. Prints what became of each lever, as the run
noted it, and the largest relative difference between the losses and the gradients of both runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.components.base import discover
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.pipeline import compile_file
from tests.runs.algorithms.matrix import ALGORITHMS, Case, recipe_of
from tests.runs.train.by_hand import Recorder

LEVERS = tuple(discover("recipe_runner.components.levers"))

HOW: Mapping[str, Mapping[str, Any]] = {
    "full": {},
    "lora": {"adapter": {"type": "lora", "r": 4, "lora_dropout": 0}},
    "lora, 4 bits": {
        "adapter": {"type": "lora", "r": 4, "lora_dropout": 0},
        "quantization": "bnb_4bit",
    },
    "lora, 8 bits": {
        "adapter": {"type": "lora", "r": 4, "lora_dropout": 0},
        "quantization": "bnb_8bit",
    },
}
"""What trains, as sections of a recipe."""

EXACT = 1e-4
"""Relative difference of losses and gradients that sums in another order may have in float32.

Two optimizer steps of Adam make more of the first one's."""


@dataclass(frozen=True)
class Found:
    """Losses and gradient norms of a run, and what became of its levers; or what was said."""

    losses: tuple[float, ...] = ()
    norms: tuple[float, ...] = ()
    levers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    said: str = ""


@dataclass(frozen=True)
class Compared:
    """Both runs of a case."""

    algorithm: str
    how: str
    off: Found
    auto: Found

    @property
    def difference(self) -> float:
        """The largest relative difference between a number of one run and of the other."""
        pairs = zip(
            (*self.off.losses, *self.off.norms), (*self.auto.losses, *self.auto.norms), strict=True
        )
        return max(abs(a - b) / max(abs(a), abs(b), 1e-3) for a, b in pairs)

    def __str__(self) -> str:
        if self.auto.said or self.off.said:
            said = f"auto: {self.auto.said or 'ok'}; off: {self.off.said or 'ok'}"
            return f"{self.algorithm:20} {self.how:13} {said}"
        short = {"applied": "yes", "refused": "no", "not needed": "-"}
        cells = " ".join(f"{short[self.auto.levers[name]['state']]:>14}" for name in LEVERS)
        return f"{self.algorithm:20} {self.how:13} {cells} {self.difference:10.1e}"


def cases(names: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Each algorithm with each way of training."""
    for name in ALGORITHMS:
        if not names or name in names:
            yield from ((name, how) for how in HOW)


def compare(
    algorithm: str,
    how: str,
    folder: Path,
    model: Path,
    teacher: Path,
    sections: Mapping[str, Any] | None = None,
) -> Compared:
    """Train a case twice in this process; `sections` are more of the recipe."""

    def trained(word: str) -> Found:
        given = {**HOW[how], **(sections or {}), "speed": word}
        return run(Case(algorithm), folder / word, model, teacher, given)

    return Compared(algorithm, how, trained("off"), trained("auto"))


def run(case: Case, folder: Path, model: Path, teacher: Path, sections: Mapping[str, Any]) -> Found:
    """Train a case whose recipe has other `sections`."""
    from recipe_runner.execute.launch import launch

    folder.mkdir(parents=True)
    file = recipe_of(case, folder, model, teacher)
    _uneven(folder)
    recipe = json.loads(file.read_text(encoding="utf-8"))
    for name, section in sections.items():
        both = isinstance(recipe.get(name), dict) and isinstance(section, Mapping)
        recipe[name] = {**recipe[name], **section} if both else section
    file.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(file), machine("cpu"), cwd=folder)
    if compiled.plan is None:
        return Found(said=_said(compiled.report))
    try:
        outcome = launch(compiled.plan, file.read_text(), "", Recorder(), overwrite=True)
    except DiagnosticError as error:
        return Found(said=_said(error.diagnostics))
    rows = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = [row for row in map(json.loads, rows) if row["kind"] == "train"]
    noted = json.loads((outcome.run_dir / "run.json").read_text(encoding="utf-8"))["speed"]
    return Found(
        tuple(row["loss"] for row in logged),
        tuple(row["grad_norm"] for row in logged if "grad_norm" in row),
        {each["name"]: each for each in noted},
    )


def _uneven(folder: Path) -> None:
    """Make the rows differ in length, so that batches are padded: by a sentence for each third."""
    for file in folder.glob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for number, row in enumerate(rows):
            more = "please answer what this sum is " * (number % 3)
            for turn in row.get("messages", ())[:1]:
                turn["content"] = more + turn["content"]
            for key in ("prompt", "text"):
                if isinstance(row.get(key), str):
                    row[key] = more + row[key]
        lines = (json.dumps(row) + "\n" for row in rows)
        file.write_text("".join(lines), encoding="utf-8")


def _said(diagnostics: Any) -> str:
    errors = [d for d in diagnostics if d.severity == "error"]
    return "; ".join(f"{d.code.id} {d.message}" for d in errors)


def main(names: Sequence[str]) -> int:
    """Run the cases, print the table and the reasons; the exit code counts those that differ."""
    from tests.tiny import tiny_model

    apart, reasons = 0, dict[tuple[str, str, str], list[str]]()
    head = " ".join(f"{name:>14}" for name in LEVERS)
    print(f"{'':20} {'':13} {head} {'apart':>10}")
    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        model, teacher = tiny_model(root / "model"), tiny_model(root / "teacher", seed=1)
        for number, (algorithm, how) in enumerate(cases(names)):
            found = compare(algorithm, how, root / str(number), model, teacher)
            print(found, flush=True)
            if not found.auto.said and not found.off.said:
                apart += found.difference > EXACT
            for name, each in found.auto.levers.items():
                if each["state"] != "applied":
                    reasons.setdefault((name, each["state"], each["because"]), []).append(
                        f"{algorithm} {how}"
                    )
    for (name, state, because), where_ in reasons.items():
        print(f"{name} {state} in {len(where_)}: {because}")
    return min(apart, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
