"""`python -m benchmarks.ablation [JOB] [REPEATS]`: each lever off alone, and on alone.

Trains one job of `benchmarks.speed` in turns in one process, and prints real tokens per CPU second
as a multiple of `speed: off`, with the losses beside it. Levers are those that are there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import assets
from benchmarks.arms import Bench, Refused
from benchmarks.compared import rate
from benchmarks.environment import ROOT
from benchmarks.jobs import JOBS, Arm
from benchmarks.results import COMMITTED, median, say, show, write

_WORK = ROOT / "runs/benchmarks/ablation"


def main(name: str, repeats: int) -> None:
    """Print the table, and write `results/ablation.jsonl`."""
    from recipe_runner.execute.environment import hush

    hush()
    [job] = [each for each in JOBS if each.name == name]
    made = assets.make(ROOT / "runs/benchmarks/assets", 2000)
    bench = Bench(job, _WORK / job.name, made.model)
    lines = list(runs(bench, list(arms()), repeats))
    write(COMMITTED, "ablation", lines)
    report(job.name, lines)


def arms() -> Iterator[Arm]:
    """Plain TRL, all levers, all but one, and each by itself.

    The process has one thread, whatever a lever that counts cores may say.
    """
    from recipe_runner.components.base import discover
    from recipe_runner.components.lever import Lever

    found = discover("recipe_runner.components.levers").items()
    levers = [name for name, each in found if issubclass(each, Lever) and not each.counts_cores]
    yield Arm("ours", "off", speed="off")
    yield Arm("ours", "auto")
    yield from (Arm("ours", f"auto without {name}", speed={name: "off"}) for name in levers)
    for name in levers:
        yield Arm("ours", f"{name} alone", speed={"levers": "off", name: "on"})


def runs(bench: Bench, arms: Sequence[Arm], repeats: int) -> Iterator[dict[str, Any]]:
    """A line per run; a lever that is not used here is named once, and not timed."""
    done: set[str] = set()
    for repeat in range(repeats):
        for arm in arms:
            if arm.name in done:
                continue
            try:
                used = bench.levers(arm)
            except Refused as why:
                say(f"{arm.name}: {why}")
                done.add(arm.name)
                continue
            if arm.name.endswith(" alone") and not used:
                say(f"{arm.name}: it is not used in this job")
                done.add(arm.name)
                continue
            yield {"repeat": repeat, **bench.run(arm)}


def report(job: str, lines: Sequence[Mapping[str, Any]]) -> None:
    """Print the table."""
    rates = {
        arm: median(rate(each) for each in lines if each["arm"] == arm)
        for arm in dict.fromkeys(each["arm"] for each in lines)
    }
    last = {each["arm"]: each["losses"][-1] for each in lines}
    show(
        f"ablation, {job}: real tokens per CPU second",
        ("", "tokens/CPU s", "ratio to off", "last loss"),
        ((arm, each, each / rates["off"], f"{last[arm]:.5f}") for arm, each in rates.items()),
    )


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "exact-40",
        int(sys.argv[2]) if len(sys.argv) > 2 else 2,
    )
