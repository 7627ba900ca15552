"""`python -m benchmarks [startup|train|prepare|packing|speed|gpu|peers ...]`, see the README."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.environment import ROOT
from benchmarks.measure import CommandFailed
from benchmarks.picture import picture
from benchmarks.results import (
    COMMITTED,
    Failed,
    Headline,
    Impossible,
    Options,
    say,
    show,
    write,
)

SECONDS = {"startup": 45, "train": 100, "prepare": 100, "packing": 35, "speed": 280}
"""For how long each may repeat itself."""

_LIMIT = 570
"""Seconds of all together: the last one gets no more than what is left of them."""

BY_NAME = ("gpu", "peers")
"""Benchmarks that are run where they are named only."""


def main() -> int:
    """Run the named benchmarks, or all that need no more than a CPU.

    1 where one failed, 2 where one cannot run on this machine.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    known = (*SECONDS, *BY_NAME)
    parser.add_argument("benches", nargs="*", metavar="|".join(known))
    parser.add_argument("--quick", action="store_true", help="shorter runs; results are not kept")
    parser.add_argument("--repeats", type=int, help="runs of each arm at most (2; 1 with --quick)")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/benchmarks", help="work folder")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="of `gpu`")
    parser.add_argument("--tiny", action="store_true", help="small models in `gpu`, to test it")
    parser.add_argument("--suites", type=lambda text: text.split(","), default=(), metavar="h0,h1")
    parser.add_argument("--peer-python", action="append", default=[], metavar="NAME=PATH")
    given = parser.parse_args()
    if unknown := [name for name in given.benches if name not in known]:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    if given.device == "cpu" and not given.tiny:
        parser.error("--device cpu takes models that are made for a GPU; add --tiny")
    work = given.work.absolute()
    short = given.quick or given.tiny
    options = Options(
        work,
        work / "results" if short else COMMITTED,
        given.repeats or (1 if short else 2),
        given.quick,
        device=given.device,
        tiny=given.tiny,
        suites=given.suites,
        pythons={
            name: Path(path) for name, _, path in (p.partition("=") for p in given.peer_python)
        },
    )
    return run(given.benches or list(SECONDS), options)


def run(names: Sequence[str], options: Options) -> int:
    """Run the benchmarks in turn; what each found is a line of the table at the end."""
    failures, impossible = [], False
    headlines: list[Headline] = []
    begun = time.monotonic()
    for name in names:
        left = _LIMIT - (time.monotonic() - begun)
        mine = replace(options, seconds=min(SECONDS[name], left)) if name in SECONDS else options
        try:
            headlines += importlib.import_module(f"benchmarks.{name}").bench(mine)
        except Impossible as reason:
            say(str(reason))
            impossible = True
        except (Failed, CommandFailed) as error:
            failures.append(f"{name}: {error}")
    if headlines:
        _conclude(headlines, options, whole=list(names) == list(SECONDS))
    for failure in failures:
        say(f"FAILED {failure}")
    if not impossible:
        say(f"{time.monotonic() - begun:.0f} s; results in {options.results}")
    return 1 if failures else 2 if impossible else 0


def _conclude(headlines: Sequence[Headline], options: Options, *, whole: bool) -> None:
    """Print the table; with a `whole` run behind it, write it and draw it too."""
    show(
        "recipe_runner beside raw TRL",
        ("", "ours / raw", "times as good"),
        ((each.what, each.ratio, f"{each.gain:.2f}x") for each in headlines),
    )
    if not whole:
        return
    write(options.results, "summary", map(asdict, headlines))
    bars = [(each.what, each.gain) for each in headlines]
    picture(
        "recipe_runner beside raw TRL: how many times as good",
        bars,
        options.results / "summary.svg",
    )


if __name__ == "__main__":
    sys.exit(main())
