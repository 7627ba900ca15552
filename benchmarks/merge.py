"""Memory of a merge: `python -m benchmarks.merge [--layers 22] [--work FOLDER]`.

A random decoder of 1.1 billion parameters in bfloat16 (2.0 GiB, one file) with a LoRA adapter on all
its linear layers, merged by `recipe-run merge` with and without comparing the answers, and
by plain PEFT: `from_pretrained`, `merge_and_unload`, `save_pretrained`. Each in a process of
its own; an empty one that imports the same libraries stands for what they take. *Resident*
is the peak of all memory, *anonymous* that of the part that no file stands behind, which the
system cannot take back. Exits with 1 where our peak is above half of the model.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.environment import ROOT, environment
from benchmarks.results import say, show, write

_EVERY = 0.02
_MOST = 0.5
"""How much of the model our merge may take, the libraries aside."""


@dataclass(frozen=True)
class Arm:
    """What one process took: peaks in MiB, seconds of wall."""

    name: str
    resident: float
    anonymous: float
    seconds: float


def main() -> int:
    """Make the run, measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.merge")
    parser.add_argument("--layers", type=int, default=22, help="22 make 1.1 billion parameters")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/benchmarks", help="work folder")
    given = parser.parse_args()
    folder = given.work.absolute() / "merge"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ours = [sys.executable, "-m", "benchmarks.merging"]
    variables = environment(folder / "cache")
    say("merge: making the model")
    subprocess.run([*ours, "make", str(folder), str(given.layers)], env=variables, check=True)
    run, out = folder / "run", folder / "out"
    size = (folder / "model" / "model.safetensors").stat().st_size / 2**20
    merge = [sys.executable, "-m", "recipe_runner", "merge", str(run), "--out", str(out)]
    arms: Sequence[tuple[str, list[str]]] = (
        ("imports alone", [*ours, "imports"]),
        ("recipe-run merge --no-verify", [*merge, "--no-verify"]),
        ("recipe-run merge", merge),
        ("PEFT merge_and_unload", [*ours, "plain", str(run / "model"), str(out)]),
    )
    found = []
    for name, command in arms:
        say(f"merge: {name}")
        found.append(_measured(name, command, variables, folder / "log"))
        shutil.rmtree(out, ignore_errors=True)
    write(given.work.absolute() / "results", "merge", [{"model_mib": size}, *map(asdict, found)])
    _show(found, size)
    shutil.rmtree(folder)
    most = max(arm.resident for arm in found[1:3]) - found[0].resident
    if most > _MOST * size:
        say(f"FAILED {most:,.0f} MiB beyond the libraries, more than {_MOST:.0%} of the model")
        return 1
    return 0


def _measured(name: str, command: list[str], variables: dict[str, str], log: Path) -> Arm:
    begun = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=variables, stdout=out, stderr=subprocess.STDOUT)
        peaks = {"VmHWM:": 0.0, "RssAnon:": 0.0}
        follow = threading.Thread(target=_follow, args=(process, peaks), daemon=True)
        follow.start()
        code = process.wait()
        follow.join()
    if code != 0:
        raise SystemExit(f"{name} ended with {code}:\n{log.read_text(encoding='utf-8')[-2000:]}")
    return Arm(name, peaks["VmHWM:"], peaks["RssAnon:"], time.monotonic() - begun)


def _follow(process: subprocess.Popen[bytes], peaks: dict[str, float]) -> None:
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return
        for line in lines:
            name, *value = line.split()
            if name in peaks:
                peaks[name] = max(peaks[name], int(value[0]) / 1024)
        time.sleep(_EVERY)


def _show(found: Sequence[Arm], size: float) -> None:
    libraries = found[0]
    show(
        f"merge: a model of {size:,.0f} MiB",
        ("", "resident (MiB)", "beyond the imports", "of the model", "anonymous (MiB)", "s"),
        (
            (
                arm.name,
                arm.resident,
                arm.resident - libraries.resident,
                f"{(arm.resident - libraries.resident) / size:.0%}",
                arm.anonymous,
                arm.seconds,
            )
            for arm in found
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
