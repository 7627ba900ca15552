"""How long a person waits for an answer about a recipe: `check` and `plan`.

Beside them `trl sft --help`, which answers nothing about a job but is the quickest thing
that TRL's command line can say about SFT. The least of several times counts, because
what is added to it is other work on the machine.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import assets, measure
from benchmarks.environment import environment
from benchmarks.results import Failed, Headline, Options, say, show, write
from benchmarks.train import Job, recipe_text

HEAVY = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "numpy",
    "pandas",
    "peft",
    "pyarrow",
    "torch",
    "transformers",
    "trl",
)
"""Modules of the training libraries; a command that answers without torch loads none."""

_FILES = 100
_ROWS = 2000
_LOADED = """\
import sys
from recipe_runner.cli import main
main(sys.argv[2:])
heavy = [name for name in sys.argv[1].split(",") if name in sys.modules]
print("heavy modules:", " ".join(heavy))
"""


@dataclass(frozen=True)
class _Answer:
    """The least seconds that a command took; `heavy_modules` is None where it is not ours."""

    command: str
    wall: float
    cpu: float
    heavy_modules: Sequence[str] | None


def bench(options: Options) -> list[Headline]:
    """Measure, print and write; raises `Failed` where a light command loads a heavy module."""
    made = assets.make(options.work / "assets", _ROWS)
    folder = options.work / "startup"
    recipes = _recipes(folder, made)
    runner: list[str | Path] = [sys.executable, "-m", "recipe_runner"]
    commands: dict[str, list[str | Path]] = {
        "recipe-run check, 1 file": [*runner, "check", recipes / "000.yaml"],
        f"recipe-run check, {_FILES} files": [*runner, "check", recipes],
        "recipe-run plan": [*runner, "plan", recipes / "000.yaml"],
        "trl sft --help": [Path(sys.executable).with_name("trl"), "sft", "--help"],
    }
    rows: list[_Answer] = []
    for name, command in commands.items():
        ours = command[: len(runner)] == runner
        say(f"startup: {name}")
        wall, cpu = _least(command, folder, 3 if ours else 2)
        heavy = _loaded(command[len(runner) :], folder) if ours else None
        rows.append(_Answer(name, wall, cpu, heavy))
    write(options.results, "startup", map(asdict, rows))
    slowest = rows[-1].wall
    show(
        "startup: the least of several runs",
        ("command", "wall (s)", "CPU (s)", "of trl's wall", "heavy modules"),
        ((r.command, r.wall, r.cpu, r.wall / slowest, _named(r.heavy_modules)) for r in rows),
    )
    for row in rows:
        if row.heavy_modules:
            raise Failed(f"{row.command} loads {', '.join(row.heavy_modules)}")
    least = rows[-1].cpu
    return [
        Headline(f"startup: {row.command} (CPU s), of trl's", row.cpu / least, less=True)
        for row in (rows[0], rows[2])
    ]


def _recipes(folder: Path, made: assets.Assets) -> Path:
    """A folder of recipes that differ, so that none answers for another."""
    recipes = folder / "recipes"
    shutil.rmtree(recipes, ignore_errors=True)
    recipes.mkdir(parents=True)
    for number in range(_FILES):
        method = "lora" if number % 2 == 0 else "full"
        job = Job(method, made.model, made.chats(_ROWS), steps=number + 1)
        text = recipe_text(job, folder / f"run-{number:03}", steps=number + 1)
        (recipes / f"{number:03}.yaml").write_text(text, encoding="utf-8")
    return recipes


def _least(command: Sequence[str | Path], folder: Path, times: int) -> tuple[float, float]:
    runs = [
        measure.run(command, log=folder / "startup.log", environment=environment(folder / "cache"))
        for _ in range(times)
    ]
    return min(run.wall for run in runs), min(run.cpu for run in runs)


def _loaded(arguments: Sequence[str | Path], folder: Path) -> list[str]:
    log = folder / "loaded.log"
    program = [sys.executable, "-c", _LOADED, ",".join(HEAVY), *arguments]
    measure.run(program, log=log, environment=environment(folder / "cache"))
    return log.read_text(encoding="utf-8").rpartition("heavy modules:")[2].split()


def _named(modules: Sequence[str] | None) -> str:
    return "-" if modules is None else ", ".join(modules) or "none"
