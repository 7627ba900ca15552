"""The levers of `speed` beside raw TRL: the same rows, the same losses, real tokens per CPU second.

All run in one process, in which the arms of a job take turns, so that a busy machine slows them
alike. Losses and gradients of the arms that train the same rows must agree step by step: otherwise
the benchmark fails, whatever the times are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.compared import differences, summary
from benchmarks.environment import environment
from benchmarks.jobs import BASELINE, JOBS, OURS, Job
from benchmarks.picture import picture
from benchmarks.results import Failed, Headline, Options, say, show, write


def bench(options: Options) -> list[Headline]:
    """Run all jobs, print and write the results; raises `Failed` where losses differ."""
    made = assets.make(options.work / "assets", 2000)
    chosen = [job for job in JOBS if not options.quick or job.quick]
    for job in chosen:
        say(f"speed: {job.name}, {job.steps} steps of each arm, {options.repeats} x if time allows")
    return report(list(measured(chosen, made.model, options)), options.results)


def measured(jobs: Sequence[Job], tokenizer: Path, options: Options) -> Iterator[dict[str, Any]]:
    """The lines of `benchmarks.arms`: one per run of an arm."""
    folder = options.work / "speed"
    log = folder / "arms.log"
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.arms"]
    command += [",".join(job.name for job in jobs), tokenizer, folder]
    command += [str(options.repeats), str(options.seconds)]
    measure.run(command, log=log, environment=environment(folder / "cache"))
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.startswith(('{"repeat"', '{"left_out"')):
            yield json.loads(line)


def report(lines: Sequence[Mapping[str, Any]], results: Path) -> list[Headline]:
    """Print the tables and write the results and a picture; raises `Failed` where losses differ."""
    rows = [line for line in lines if "arm" in line]
    summaries = []
    for job in JOBS:
        if mine := [row for row in rows if row["job"] == job.name]:
            aims = {"must": job.must, "goal": job.goal}
            summaries.append({**summary(mine, BASELINE), **aims})
    write(results, "speed", [*lines, *summaries])
    for each in summaries:
        show(
            f"speed, {each['job']}: {each['useful']:.0%} of the padded tokens are real",
            ("", "tokens/CPU s", "ratio", "least", "most", "losses", "gradients", "must"),
            (
                (
                    arm,
                    found["tokens_per_second"],
                    found["ratio"],
                    found["least"],
                    found["most"],
                    *map(_apart, (found["apart"], found["gradients_apart"])),
                    f"{each['must']:g}x" if arm == OURS else "",
                )
                for arm, found in each["arms"].items()
            ),
        )
    bars = [
        (f"{each['job']}: {arm}", found["ratio"])
        for each in summaries
        for arm, found in each["arms"].items()
    ]
    title = f"Real tokens per CPU second, as a multiple of {BASELINE}"
    picture(title, bars, results / "speed.svg")
    for line in lines:
        if "left_out" in line:
            say(f"speed: {line['left_out']} was left out, because the time was up")
    if wrong := differences(summaries):
        raise Failed("; ".join(wrong))
    return [
        Headline(f"speed, {each['job']}: tokens/CPU s", each["arms"][OURS]["ratio"])
        for each in summaries
    ]


def _apart(difference: float | None) -> str:
    """How far losses or gradients are from those of the first arm."""
    return "other rows" if difference is None else f"{difference:.0e}"
