"""Preparing many chat rows: `python -m benchmarks.scale [--rows 100000 1000000]`.

For each number of rows: `recipe-run prepare` in rows per second and the peak memory of its
process tree; the same command again, which finds the data; a fresh process up to its first
batch; and TRL's own preparation of the same rows, of `--trl-rows` at most, because it takes
minutes for a million. Exits with 1 where the peak is over 2 GiB or grows by more than a
fifth, or where a first batch takes more than 3 s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.environment import ROOT, environment
from benchmarks.results import say, show, write
from benchmarks.train import Job, recipe_text
from benchmarks.tree_memory import Watched

MOST_MIB = 2048.0
MOST_GROWTH = 1.2
MOST_SECONDS = 3.0


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--trl-rows", type=int, default=100_000, help="0 leaves TRL out")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/benchmarks")
    given = parser.parse_args()
    work = given.work.absolute()
    made = assets.make(work / "assets", *given.rows)
    folder = work / "scale"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = [_rows(made, folder, rows, given.trl_rows) for rows in sorted(given.rows)]
    write(work / "results", "scale", found)
    _show(found)
    problems = _problems(found)
    for problem in problems:
        say(f"FAILED {problem}")
    return 1 if problems else 0


def _rows(made: assets.Assets, folder: Path, rows: int, trl_rows: int) -> dict[str, Any]:
    recipe = made.folder / f"scale-{rows}.yaml"
    job = Job("lora", made.model, made.chats(rows), steps=1)
    recipe.write_text(recipe_text(job, folder / "run", steps=1), encoding="utf-8")
    variables = environment(folder / "cache")
    say(f"scale: {rows:,} rows, recipe-run prepare")
    cold, seconds, peak = _prepare(recipe, variables)
    say(f"scale: {rows:,} rows, the same again")
    hit, hit_seconds, _ = _prepare(recipe, variables)
    result = {
        "rows": rows,
        "bytes": made.chats(rows).stat().st_size,
        "tokens": sum(source["tokens"] for source in cold["sources"]),
        "processes": cold["processes"],
        "seconds": cold["seconds"],
        "command_seconds": seconds,
        "rows_per_second": rows / cold["seconds"],
        "peak_pss": peak,
        "hit": hit["cached"],
        "hit_seconds": hit["seconds"],
        "hit_command_seconds": hit_seconds,
        "first_batch": _first_batch(recipe, variables, "loader"),
        "first_batch_of_trainer": _first_batch(recipe, variables, "trainer"),
    }
    if rows <= trl_rows:
        say(f"scale: {rows:,} rows, TRL's own preparation")
        result["trl"] = _trl(made, recipe, rows, folder)
    return result


def _prepare(recipe: Path, variables: dict[str, str]) -> tuple[dict[str, Any], float, float]:
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "recipe_runner", "prepare", str(recipe), "--json"],
        env=variables,
        stdout=subprocess.PIPE,
    )
    watched = Watched(process)
    out, _ = process.communicate()
    seconds, peak = time.monotonic() - begun, watched.stop()
    if process.returncode != 0:
        raise SystemExit(f"recipe-run prepare ended with {process.returncode}")
    told: dict[str, Any] = json.loads(out)
    return told, seconds, peak


def _first_batch(recipe: Path, variables: dict[str, str], what: str) -> dict[str, Any]:
    """The quicker of two: the first reads the libraries from disk."""
    found = []
    for _ in range(2):
        program = [sys.executable, "-m", "benchmarks.first_batch", str(recipe), str(time.time())]
        done = subprocess.run([*program, what], env=variables, stdout=subprocess.PIPE, check=True)
        found.append(json.loads(done.stdout.decode().splitlines()[-1]))
    told: dict[str, Any] = min(found, key=lambda each: float(each["seconds"]))
    return told


def _trl(made: assets.Assets, recipe: Path, rows: int, folder: Path) -> dict[str, Any]:
    log = folder / f"trl-{rows}.log"
    program: list[str | Path] = [sys.executable, "-m", "benchmarks.preparing", "raw_trl"]
    program += [recipe, made.chats(rows)]
    cores = str(len(os.sched_getaffinity(0)))
    variables = environment(folder / "cache-trl")
    measure.run([*program, cores], log=log, environment=variables, limit=7200)
    told: dict[str, Any] = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    return {"processes": int(cores), "rows_per_second": rows / told["seconds"], **told}


def _show(found: list[dict[str, Any]]) -> None:
    columns = ("", *(f"{each['rows']:,} rows" for each in found))
    lines: list[tuple[str, list[object]]] = [
        ("tokens", [f"{each['tokens']:,}" for each in found]),
        ("recipe-run prepare (s)", [each["seconds"] for each in found]),
        ("rows/s", [each["rows_per_second"] for each in found]),
        ("processes", [each["processes"] for each in found]),
        ("peak of the process tree (MiB, PSS)", [each["peak_pss"] for each in found]),
        ("again, found in the cache (s)", [each["hit_seconds"] for each in found]),
        ("again, the whole command (s)", [each["hit_command_seconds"] for each in found]),
        ("first batch of a fresh process (s)", [each["first_batch"]["seconds"] for each in found]),
    ]
    for stage in found[0]["first_batch"]["stages"]:
        cells: list[object] = [each["first_batch"]["stages"][stage] for each in found]
        lines.append((f"  {stage}", cells))
    lines += [
        (
            "first batch of TRL's trainer (s)",
            [each["first_batch_of_trainer"]["seconds"] for each in found],
        ),
        (
            "TRL prepares, rows/s",
            [each.get("trl", {}).get("rows_per_second", "-") for each in found],
        ),
        ("of TRL's speed", [_ratio(each) for each in found]),
    ]
    show("scale: preparing chat rows", columns, ((name, *cells) for name, cells in lines))


def _ratio(each: dict[str, Any]) -> object:
    return each["rows_per_second"] / each["trl"]["rows_per_second"] if "trl" in each else "-"


def _problems(found: list[dict[str, Any]]) -> list[str]:
    few, many = found[0]["peak_pss"], found[-1]["peak_pss"]
    problems = [
        f"{each['rows']:,} rows: {each['peak_pss']:,.0f} MiB, over {MOST_MIB:,.0f}"
        for each in found
        if each["peak_pss"] > MOST_MIB
    ]
    problems += [
        f"{each['rows']:,} rows: the first batch takes {each['first_batch']['seconds']:.1f} s"
        for each in found
        if each["first_batch"]["seconds"] > MOST_SECONDS
    ]
    if many > few * MOST_GROWTH:
        problems.append(f"the peak grows from {few:,.0f} to {many:,.0f} MiB")
    return problems


if __name__ == "__main__":
    sys.exit(main())
