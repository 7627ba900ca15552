"""`python -m benchmarks.ablation [JOB] [REPEATS]`: each lever off alone, and on alone.

Trains one job of `benchmarks.speed` in turns in one process, and prints real tokens per CPU second
as a multiple of `speed: off`, with the losses beside it.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks import assets
from benchmarks.arms import JOBS, Job, model_of, ours, rows_of, timed
from benchmarks.environment import ROOT
from benchmarks.results import COMMITTED, median, show, write
from recipe_runner.components.base import discover

LEVERS = [
    # One process has one thread here, whatever the lever says.
    name
    for name in discover("recipe_runner.components.levers")
    if name != "threads"
]
_WORK = ROOT / "runs/benchmarks/ablation"


def main(name: str, repeats: int) -> None:
    """Print the table, and write `results/ablation.jsonl`."""
    from recipe_runner.execute.environment import hush

    hush()
    [job] = [each for each in JOBS if each.name == name]
    made = assets.make(ROOT / "runs/benchmarks/assets", 2000)
    folder = _WORK / job.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model_of(folder / "model", made.model, job)
    rows = rows_of(job, folder)
    lines = [
        {"job": name, "arm": arm, "repeat": repeat, **_run(job, folder, rows, speed)}
        for repeat in range(repeats)
        for arm, speed in _arms().items()
    ]
    rates = {
        arm: median(
            each["real_tokens"] / each["cpu_seconds"] for each in lines if each["arm"] == arm
        )
        for arm in _arms()
    }
    write(COMMITTED, "ablation", lines)
    show(
        f"ablation, {job.name}: real tokens per CPU second",
        ("", "tokens/CPU s", "ratio to off", "last loss"),
        (
            (
                arm,
                rate,
                rate / rates["off"],
                f"{next(each for each in lines if each['arm'] == arm)['losses'][-1]:.5f}",
            )
            for arm, rate in rates.items()
        ),
    )


def _arms() -> dict[str, Any]:
    arms: dict[str, Any] = {"off": "off", "auto": "auto"}
    arms.update({f"auto without {name}": {name: "off"} for name in LEVERS})
    arms.update({f"{name} alone": {"levers": "off", name: "on"} for name in LEVERS})
    return arms


def _run(job: Job, folder: Path, rows: Path, speed: Any) -> dict[str, Any]:
    with contextlib.redirect_stdout(io.StringIO()):
        return timed(lambda: ours(job, folder, rows, speed, "null"))


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "exact-40",
        int(sys.argv[2]) if len(sys.argv) > 2 else 2,
    )
