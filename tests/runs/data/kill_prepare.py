"""Kills `recipe-run prepare` at random moments, then lets it end; runs several at once.

`python -m tests.runs.data.kill_prepare [--kills 10] [--rows 20000] [--seed 0]` prints a
table and exits with 1 where anything is not as it is after a run that nobody disturbs:
other bytes, a damaged entry, a folder or a process that is left.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

How = Literal["the process group", "a worker", "Ctrl-C"]
HOWS: tuple[How, ...] = ("the process group", "a worker", "Ctrl-C")


@dataclass(frozen=True)
class Killed:
    """One disturbed run: after how many seconds of writing, how, how far it was, how it ended and what it left.

    `left` are the folders of the cache right after it.
    """

    after: float
    how: str
    written: int
    exit_code: int
    left: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """A folder with a recipe, its rows, its model, and the caches of the runs."""

    folder: Path

    @classmethod
    def build(cls, folder: Path, model: Path, rows: int) -> Scene:
        """Write `rows` conversations and a recipe that trains `model` on them."""
        draw = random.Random(0)
        words = [f"word{number}" for number in range(500)]
        with (folder / "chat.jsonl").open("w", encoding="utf-8") as file:
            for number in range(rows):
                asked, said = (" ".join(draw.choices(words, k=k)) for k in (10, 30))
                turns = [("user", f"{number} {asked}"), ("assistant", said)]
                row = {"messages": [{"role": r, "content": c} for r, c in turns]}
                file.write(json.dumps(row) + "\n")
        recipe = {
            "recipe": 1,
            "model": str(model),
            "data": {"train": "chat.jsonl", "max_length": 256, "num_proc": 2},
            "algorithm": "sft",
            "launch": {"use_cpu": True, "num_processes": 1},
            "output_dir": "runs/none",
        }
        (folder / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
        return cls(folder)

    def start(self, cache: Path) -> subprocess.Popen[bytes]:
        """Start `recipe-run prepare` in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "recipe_runner", "prepare", "recipe.yaml", "--json"],
            cwd=self.folder,
            env={**os.environ, "RECIPE_RUNNER_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def finish(self, cache: Path) -> tuple[dict[str, Any], float]:
        """Run to the end; returns the receipt, and for how many seconds it wrote."""
        process = self.start(cache)
        await_building(process, cache)
        begun = time.monotonic()
        return told(process), time.monotonic() - begun


def await_building(process: subprocess.Popen[bytes], cache: Path) -> None:
    """Wait until a run writes rows, or ends: killing what still imports shows little."""
    while process.poll() is None and not any(cache.glob("prepared/*.building/*.arrow")):
        time.sleep(0.005)


def told(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The receipt of a run that ends well."""
    out, err = process.communicate()
    if process.returncode != 0:
        raise AssertionError(f"exit code {process.returncode}: {err.decode()}")
    value: dict[str, Any] = json.loads(out)
    return value


def files_of(receipt: Mapping[str, Any]) -> dict[str, str]:
    """The hash of each file of an entry but its manifest, which has the time in it."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(receipt["folder"]).iterdir())
        if path.name != "manifest.json"
    }


def kill_once(scene: Scene, cache: Path, after: float, how: How) -> Killed:
    """Start a run, and end it `after` seconds of writing."""
    process = scene.start(cache)
    await_building(process, cache)
    time.sleep(after)
    while how == "a worker" and process.poll() is None and not workers(process.pid):
        time.sleep(0.005)
    family = [*workers(process.pid), psutil.Process(process.pid)]
    written = sum(path.stat().st_size for path in _files(cache))
    if how == "a worker" and len(family) > 1:
        family[0].kill()
    elif how == "Ctrl-C":
        # A terminal sends it to every process of the group.
        os.killpg(process.pid, signal.SIGINT)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    gone, alive = psutil.wait_procs(family, timeout=10)
    if alive:
        raise AssertionError(f"{len(alive)} of {len(gone) + len(alive)} processes are left")
    left = cache / "prepared"
    folders = sorted(p.name for p in left.iterdir() if p.is_dir()) if left.is_dir() else []
    return Killed(after, how, written, process.returncode, tuple(folders))


def workers(pid: int) -> list[psutil.Process]:
    """The processes that tokenize for `pid`."""
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def faults(cache: Path) -> list[str]:
    """What is wrong with a cache that only holds what was prepared in full."""
    env = {**os.environ, "RECIPE_RUNNER_CACHE": str(cache)}
    verify = [sys.executable, "-m", "recipe_runner", "cache", "verify"]
    done = subprocess.run(verify, env=env, capture_output=True, text=True, check=False)
    found = [done.stdout] if done.returncode else []
    found += [f"{p.name} is left" for p in (cache / "prepared").glob("*.building")]
    return found


def at_once(scene: Scene, cache: Path, runs: int) -> list[dict[str, Any]]:
    """The receipts of several runs that start together."""
    return [told(process) for process in [scene.start(cache) for _ in range(runs)]]


def _files(cache: Path) -> Iterator[Path]:
    return (path for path in cache.glob("prepared/*/*.arrow") if path.is_file())


def main(arguments: Sequence[str] | None = None) -> int:
    """Disturb, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.runs.data.kill_prepare")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    from tests.tiny import tiny_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = Scene.build(folder, tiny_model(folder / "model"), given.rows)
        receipt, seconds = scene.finish(folder / "undisturbed")
        expected = files_of(receipt)
        print(
            f"{given.rows:,} rows, undisturbed: writes for {seconds:.1f} s, {len(expected)} files"
        )
        cache, draw, problems = folder / "disturbed", random.Random(given.seed), []
        print(f"{'kill':>4}  {'after':>6}  {'what':<18}{'written':>12}  {'exit':>5}  left")
        for number in range(given.kills):
            after = draw.uniform(0, 0.95) * seconds
            killed = kill_once(scene, cache, after, HOWS[number % len(HOWS)])
            left = ", ".join(f"{n[:8]}...{n[64:]}" for n in killed.left) or "-"
            print(
                f"{number + 1:>4}  {after:>5.1f}s  {killed.how:<18}{killed.written:>12,}"
                f"  {killed.exit_code:>5}  {left}"
            )
        last, _ = scene.finish(cache)
        problems += faults(cache)
        same = files_of(last) == expected
        print(f"then to the end: key {last['key'][:12]}, same bytes: {same}")
        found = at_once(scene, folder / "together", 3)
        built = [not each["cached"] for each in found]
        together = all(files_of(each) == expected for each in found)
        print(
            f"three at once: {sum(built)} built, {built.count(False)} hit, same bytes: {together}"
        )
        problems += faults(folder / "together")
        for problem in problems:
            print(f"PROBLEM {problem}")
        return 0 if same and together and sum(built) == 1 and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
