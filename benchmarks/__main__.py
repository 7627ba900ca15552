"""`python -m benchmarks [train|startup|prepare|packing|speed ...] [--quick] [--repeats N]`."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks.environment import ROOT
from benchmarks.measure import CommandFailed
from benchmarks.results import COMMITTED, Failed, Options, say

BENCHES = ("startup", "train", "prepare", "packing", "speed")


def main() -> int:
    """Run the named benchmarks, or all; 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("benches", nargs="*", metavar="|".join(BENCHES), help="all by default")
    parser.add_argument("--quick", action="store_true", help="shorter runs; results are not kept")
    parser.add_argument("--repeats", type=int, help="runs of each arm (2; 1 with --quick)")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/benchmarks", help="work folder")
    given = parser.parse_args()
    if unknown := [name for name in given.benches if name not in BENCHES]:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    work = given.work.absolute()
    repeats = given.repeats or (1 if given.quick else 2)
    options = Options(work, work / "results" if given.quick else COMMITTED, repeats, given.quick)
    failures = []
    begun = time.monotonic()
    for name in given.benches or BENCHES:
        try:
            importlib.import_module(f"benchmarks.{name}").bench(options)
        except (Failed, CommandFailed) as error:
            failures.append(f"{name}: {error}")
    for failure in failures:
        say(f"FAILED {failure}")
    say(f"{time.monotonic() - begun:.0f} s; results in {options.results}")
    return 1 if failures else 0


sys.exit(main())
