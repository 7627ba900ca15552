"""Rows of very different length, padded, grouped, joined and packed, beside raw TRL.

All arms train the same rows in one process, one after the other and again, so that a busy
machine slows them alike. Every document's losses in its pack must be those it has alone:
otherwise the benchmark fails, whatever the times are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.environment import environment
from benchmarks.results import Failed, Headline, Options, median, say, show, write

TOLERANCE = 1e-5
"""Largest difference between a token's loss in a pack and alone, in float32."""

BASELINE = "raw TRL, padded"
_ROWS = 2000
_TRAINED = 24
"""Rows of an epoch of each arm."""

_COMPARED = 300
"""Rows that are packed and compared with themselves alone."""


def bench(options: Options) -> list[Headline]:
    """Run all arms, print and write the results; raises `Failed` where losses differ."""
    made = assets.make(options.work / "assets", _ROWS)
    work = options.work / "packing"
    work.mkdir(parents=True, exist_ok=True)
    say(f"packing: {options.repeats} x one epoch over {_TRAINED} rows per arm")
    return report(measured(made.model, made.chats(_ROWS), work, options), options.results)


def measured(model: Path, data: Path, work: Path, options: Options) -> list[dict[str, Any]]:
    """The lines of `benchmarks.packs`: one per run of an arm, and one for the losses."""
    log = work / "packs.log"
    measure.run(
        [
            sys.executable,
            "-m",
            "benchmarks.packs",
            model,
            data,
            work,
            str(_TRAINED),
            str(_COMPARED),
            str(options.repeats),
            str(options.seconds),
        ],
        log=log,
        environment=environment(work / "cache"),
    )
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"')]


def report(rows: Sequence[Mapping[str, Any]], results: Path) -> list[Headline]:
    """Print the table and write the results; raises `Failed` where losses differ."""
    runs = [row for row in rows if "arm" in row]
    [parity] = [row for row in rows if "largest_loss_difference" in row]
    rates = {
        arm: median(run["real_tokens"] / run["cpu_seconds"] for run in runs if run["arm"] == arm)
        for arm in dict.fromkeys(run["arm"] for run in runs)
    }
    summary = {
        "tokens_per_cpu_second": rates,
        "ratios": {arm: rate / rates[BASELINE] for arm, rate in rates.items()},
    }
    write(results, "packing", [*runs, summary, parity])
    show(
        "packing: real tokens per CPU second, medians",
        ("", "steps", "real tokens", "tokens/CPU s", "ratio to raw TRL, padded"),
        (
            (arm, first["steps"], first["real_tokens"], rate, summary["ratios"][arm])
            for arm, rate in rates.items()
            for first in [next(run for run in runs if run["arm"] == arm)]
        ),
    )
    say(
        f"{parity['documents']:,} documents in {parity['packs']:,} packs ({parity['fill']:.1%} "
        f"full): the losses of {parity['compared_tokens']:,} tokens differ by at most "
        f"{parity['largest_loss_difference']:.1e} from those of the documents alone"
    )
    if parity["largest_loss_difference"] > TOLERANCE:
        raise Failed(
            f"losses in packs differ by {parity['largest_loss_difference']:.1e}, "
            f"more than {TOLERANCE:.0e}"
        )
    return [
        Headline(f"packing: {arm}, tokens/CPU s", ratio)
        for arm, ratio in summary["ratios"].items()
        if arm.startswith(("padding-free", "packed"))
    ]
