"""The levers of `speed` beside raw TRL: the same rows, the same losses, real tokens per CPU second.

Each job is a process of its own in which the arms take turns, so that a busy machine slows them
alike. Losses of the arms that train the same rows must agree step by step: otherwise the
benchmark fails, whatever the times are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.arms import BASELINE, JOBS, Job
from benchmarks.environment import environment
from benchmarks.results import Failed, Options, median, say, show, write


def bench(options: Options) -> None:
    """Run all jobs, print and write the results; raises `Failed` where losses differ."""
    made = assets.make(options.work / "assets", 2000)
    chosen = [job for job in JOBS if not options.quick or job.quick]
    rows: list[dict[str, Any]] = []
    for job in chosen:
        say(f"speed: {job.name}, {options.repeats} x {job.steps} steps of each arm")
        rows += measured(job, made.model, options.work / "speed", options.repeats)
    report(rows, options.results)


def measured(job: Job, tokenizer: Path, work: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """The lines of `benchmarks.arms` for one job: one per run of an arm."""
    folder = work / job.name
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "arms.log"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.arms",
        job.name,
        tokenizer,
        folder,
        str(repeats),
    ]
    measure.run(command, log=log, environment=environment(folder / "cache"))
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.startswith('{"job"'):
            yield json.loads(line)


def report(rows: Sequence[Mapping[str, Any]], results: Path) -> None:
    """Print the tables and write the results and a picture; raises `Failed` where losses differ."""
    summaries = [summary(job, [row for row in rows if row["job"] == job.name]) for job in JOBS]
    summaries = [each for each in summaries if each["arms"]]
    write(results, "speed", [*rows, *summaries])
    for each in summaries:
        show(
            f"speed, {each['job']}: {each['useful']:.0%} of the padded tokens are real",
            ("", "tokens/CPU s", "ratio", "least", "most", "losses apart", "must"),
            (
                (
                    arm,
                    found["tokens_per_cpu_second"],
                    found["ratio"],
                    found["least"],
                    found["most"],
                    "other rows" if found["apart"] is None else f"{found['apart']:.0e}",
                    f"{each['must']:g}x" if arm == "ours, auto" else "",
                )
                for arm, found in each["arms"].items()
            ),
        )
    picture(summaries, results / "speed.svg")
    for each in summaries:
        for arm, found in each["arms"].items():
            if found["apart"] is not None and found["apart"] > each["tolerance"]:
                raise Failed(
                    f"{each['job']}: the losses of `{arm}` differ by {found['apart']:.1e}, "
                    f"more than {each['tolerance']:.0e}"
                )


def summary(job: Job, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rates, ratios to raw TRL in the same turn, and how far the losses are apart."""
    base = {row["repeat"]: row for row in rows if row["arm"] == BASELINE}
    arms = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        ratios = [_rate(row) / _rate(base[row["repeat"]]) for row in mine]
        same = all(row["same_rows"] for row in mine)
        apart = [_apart(row["losses"], base[row["repeat"]]["losses"]) for row in mine]
        arms[arm] = {
            "tokens_per_cpu_second": median(map(_rate, mine)),
            "ratio": median(ratios),
            "least": min(ratios),
            "most": max(ratios),
            "apart": max(apart) if same else None,
        }
    useful = [row["real_tokens"] / row["padded_tokens"] for row in base.values()]
    return {
        "job": job.name,
        "must": job.must,
        "goal": job.goal,
        "tolerance": job.tolerance,
        "useful": median(useful) if useful else 0.0,
        "arms": arms,
    }


def _rate(row: Mapping[str, Any]) -> float:
    return float(row["real_tokens"]) / float(row["cpu_seconds"])


def _apart(mine: Sequence[float], theirs: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(mine, theirs, strict=True))


def picture(summaries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A bar for the ratio of each arm to raw TRL, as an SVG file."""
    bars = [
        (f"{each['job']}: {arm}", found["ratio"])
        for each in summaries
        for arm, found in each["arms"].items()
    ]
    scale = 420 / max((ratio for _, ratio in bars), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{22 * len(bars) + 30}" '
        'font-family="sans-serif" font-size="13">',
        f'<text x="0" y="14">Real tokens per CPU second, as a multiple of {BASELINE}</text>',
    ]
    for number, (label, ratio) in enumerate(bars):
        y = 26 + 22 * number
        color = "#2a7" if "ours" in label else "#999"
        parts.append(
            f'<text x="330" y="{y + 14}" text-anchor="end">{label}</text>'
            f'<rect x="340" y="{y}" width="{ratio * scale:.1f}" height="18" fill="{color}"/>'
            f'<text x="{346 + ratio * scale:.1f}" y="{y + 14}">{ratio:.2f}x</text>'
        )
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")
