"""`python -m tests.runs.optimizers.menu [NAME ...]`: every optimizer, on a tiny decoder.

Each trains for six steps from a recipe, and again from the checkpoint after the third,
where it can resume.
Prints a table: the loss at first and at last, the seconds of a step, whether the resumed run
took the same course, or the diagnostic.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.compiler.optimizers import optimizer_names, optimizer_of
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.pipeline import compile_file
from tests.runs.train.by_hand import Recorder

STEPS = 6
LEARNING_RATES: Mapping[str, float] = {"sgd": 0.3, "lomo": 0.3, "schedule_free_sgd": 0.3}
"""Rates of optimizers that step along the gradient itself, or along its sign."""


@dataclass(frozen=True)
class Result:
    """Losses of each step, how far the resumed run was from them, or what was said.

    `off` is None for an optimizer whose checkpoints cannot be resumed.
    """

    losses: tuple[float, ...] = ()
    off: float | None = None
    seconds: float = 0.0
    said: str = ""

    @property
    def works(self) -> bool:
        """True where the loss fell, and resuming, where it can, changed no loss."""
        return bool(self.losses) and self.losses[-1] < self.losses[0] and not self.off

    def __str__(self) -> str:
        if not self.losses:
            return self.said
        resumed = "does not resume"
        if self.off is not None:
            resumed = f"resumed, losses differ by {self.off:.0e}" if self.off else "resumes exactly"
        mark = "ok" if self.works else "NO"
        return (
            f"{mark}  {self.losses[0]:.4f} -> {self.losses[-1]:.4f}  "
            f"{self.seconds:.2f} s a step  {resumed}"
        )


def recipe_of(name: str, folder: Path, model: Path, **training: Any) -> Path:
    """Write a recipe that trains in full with an optimizer, and its rows, into `folder`."""
    rows = [
        {"text": f"what is {a} + {b} please answer {a + b}"} for a in range(4) for b in range(4)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    traits = optimizer_of(name)
    alone: dict[str, Any] = {"optim_target_modules": "all-linear"} if traits.low_rank else {}
    if not traits.resumes:
        alone |= {"save_only_model": True}
    if traits.layerwise:
        alone |= {"max_grad_norm": 0}
    schedule = {"lr_scheduler_type": "constant"} if traits.constant else {}
    recipe = {
        "recipe": 1,
        "model": str(model),
        "data": {"train": "rows.jsonl", "max_length": 64},
        "algorithm": "sft",
        "training": {
            "optim": name,
            "max_steps": STEPS,
            "global_batch_size": 16,
            "per_device_train_batch_size": 16,
            "learning_rate": LEARNING_RATES.get(name, 1e-3),
            "warmup_steps": 0,
            "logging_steps": 1,
            "save_strategy": "steps",
            "save_steps": STEPS // 2,
            **alone,
            **schedule,
            **training,
        },
        "launch": {"use_cpu": True, "num_processes": 1},
        "output_dir": str(folder / "run"),
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    return file


def run(name: str, folder: Path, model: Path, **training: Any) -> Result:
    """Train with an optimizer in this process, and a second time from the middle."""
    from recipe_runner.execute.launch import launch

    file = recipe_of(name, folder, model, **training)
    compiled = compile_file(str(file), machine("cpu"), cwd=folder)
    if compiled.plan is None:
        return Result(said=said(compiled.report))
    try:
        outcome = launch(compiled.plan, file.read_text(), "", Recorder(), overwrite=True)
        whole = losses(outcome.run_dir)
        if not optimizer_of(name).resumes:
            return Result(tuple(whole), None, outcome.seconds / STEPS)
        undo(outcome.run_dir)
        launch(compiled.plan, file.read_text(), "", Recorder())
    except DiagnosticError as error:
        return Result(said=said(error.diagnostics))
    resumed = losses(outcome.run_dir)
    off = max(abs(one - other) for one, other in zip(whole, resumed, strict=True))
    return Result(tuple(whole), off, outcome.seconds / STEPS)


def undo(run_dir: Path) -> None:
    """Make of a finished run one that was killed after the checkpoint in the middle."""
    shutil.rmtree(run_dir / "checkpoints" / f"checkpoint-{STEPS}")
    shutil.rmtree(run_dir / "model")
    status = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    (run_dir / "run.json").write_text(json.dumps({**status, "status": "interrupted"}))


def losses(run_dir: Path) -> list[float]:
    """The logged losses of a run, in the order of its steps."""
    lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row["loss"] for row in map(json.loads, lines) if row["kind"] == "train"]


def said(diagnostics: Any) -> str:
    """The errors, in one line."""
    return "; ".join(
        f"{d.code.id} {d.message} ({d.help})" for d in diagnostics if d.severity == "error"
    )


def results(names: Sequence[str]) -> Iterator[tuple[str, Result]]:
    """Each optimizer with what became of it."""
    from tests.tiny import tiny_model

    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        model = tiny_model(root / "model")
        for name in names or optimizer_names():
            folder = root / name
            folder.mkdir()
            yield name, run(name, folder, model)


def main(names: Sequence[str]) -> int:
    """Print the table; the exit code counts what neither works nor is refused with a code."""
    failed = working = 0
    for name, result in results(names):
        failed += not (result.works or result.said)
        working += result.works
        print(f"{name:28} {result}", flush=True)
    print(f"{working} optimizers work here")
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
