"""Preparing chat rows: rows per second, the second run, and memory as the rows grow.

TRL's own way (`load_dataset` and `SFTTrainer._prepare_dataset`) gets the same rows, in one
process, its default, and in one per core, which is ours.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.environment import environment
from benchmarks.results import Failed, Headline, Options, say, show, write
from benchmarks.train import ARMS, Job, recipe_text

_MOST_GROWTH = 25.0
"""MiB that ten times the rows may add to the peak of any process: buffers, not rows.

12,000 of these rows are about 19 MB of tokens and labels and 11 MB of text.
"""


def bench(options: Options) -> list[Headline]:
    """Measure, print and write; raises `Failed` where memory grows with the rows."""
    rows = 5_000 if options.quick else 12_000
    made = assets.make(options.work / "assets", rows, rows // 10)
    folder = options.work / "prepare"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cores = len(os.sched_getaffinity(0))
    found = []
    for arm in reversed(ARMS):
        # The memory of few rows is for ours alone.
        few = [(rows // 10, 1, "cold")] if arm == ARMS[1] else []
        alone = [*few, (rows, 1, "cold")]
        for count, processes, cache in [*alone, (rows, cores, "cold"), (rows, cores, "filled")]:
            say(f"prepare: {arm}, {count} rows, {processes} process(es), {cache} cache")
            found.append(_prepare(made, folder, arm, count, processes, cache))
    write(options.results, "prepare", found)
    show(
        "prepare: reading and tokenizing chat rows",
        (
            "",
            "rows",
            "processes",
            "cache",
            "seconds",
            "rows/s",
            "rows/CPU s",
            "peak RSS",
            "of children",
        ),
        (
            (
                r["arm"],
                f"{r['rows']:,}",
                r["processes"],
                r["cache"],
                r["seconds"],
                r["rows"] / r["seconds"],
                r["rows"] / max(r["cpu_seconds"], 1e-3),
                r["peak_rss"],
                r["peak_rss_children"],
            )
            for r in found
        ),
    )
    ours = [r for r in found if r["arm"] == ARMS[1]]
    _refuse_growth([r for r in ours if r["cache"] == "cold"])
    mine, raw = (_full(found, arm, rows, cores) for arm in ARMS[::-1])
    default = _full(found, ARMS[0], rows, 1)
    return [
        Headline("prepare: rows/CPU s", raw["cpu_seconds"] / mine["cpu_seconds"]),
        Headline("prepare: rows/s", raw["seconds"] / mine["seconds"]),
        Headline("prepare: rows/s, both with their defaults", default["seconds"] / mine["seconds"]),
    ]


def _full(found: list[dict[str, Any]], arm: str, rows: int, processes: int) -> dict[str, Any]:
    """The run of an arm with all rows and so many processes, with nothing of them cached."""
    wanted = (arm, rows, processes, "cold")
    keys = ("arm", "rows", "processes", "cache")
    return next(r for r in found if tuple(r[key] for key in keys) == wanted)


def _prepare(
    made: assets.Assets, folder: Path, arm: str, rows: int, processes: int, cache: str
) -> dict[str, Any]:
    recipe = made.folder / f"prepare-{rows}.yaml"
    job = Job("lora", made.model, made.chats(rows), steps=1)
    recipe.write_text(recipe_text(job, folder / "run", steps=1), encoding="utf-8")
    caches = folder / f"cache-{arm}"
    if cache == "cold":
        shutil.rmtree(caches, ignore_errors=True)
    log = folder / f"{arm}-{rows}-{processes}-{cache}.log"
    measured = measure.run(
        [sys.executable, "-m", "benchmarks.preparing", arm, recipe, job.data, str(processes)],
        log=log,
        environment=environment(caches),
    )
    told: dict[str, Any] = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    if told["rows"] != rows:
        raise Failed(f"{arm} prepared {told['rows']} of {rows} rows; see {log}")
    return {
        "arm": arm,
        "processes": processes,
        "cache": cache,
        "process_wall": measured.wall,
        "process_cpu": measured.cpu,
        **told,
    }


def _refuse_growth(runs: list[dict[str, Any]]) -> None:
    few, many = (next(r for r in runs if r["rows"] == n) for n in sorted({r["rows"] for r in runs}))
    growth = many["peak_rss"] - few["peak_rss"]
    say(f"prepare: {many['rows'] - few['rows']:,} more rows add {growth:.0f} MiB to the peak")
    if growth > _MOST_GROWTH:
        raise Failed(f"{growth:.0f} MiB more for ten times the rows, over {_MOST_GROWTH:.0f}")
