"""The same fine-tuning job as a plain TRL script and as a recipe, one process per run.

The arms alternate. A long run starts with empty caches; a short second run finds what the
first one cached. Every speed option is off in both, so the losses of every step must agree
to float tolerance: otherwise the benchmark fails, whatever the times are.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.environment import environment
from benchmarks.results import Budget, Failed, Headline, Options, median, say, show, write

ARMS = ("raw_trl", "recipe_runner")
TOLERANCE = 1e-5
"""Largest difference between the losses of a step, relative to the loss; float32 carries 1e-7."""

_ROWS = 2000
_STEADY_FROM = 3
_STEPS = 8
_FEW_STEPS = 2

_RECIPE = """\
recipe: 1
model: {{name_or_path: {model}, dtype: float32}}
data: {{train: {data}, max_length: {max_length}, truncation_mode: keep_start}}
algorithm: sft
adapter: {adapter}
training:
  per_device_train_batch_size: 4
  gradient_accumulation_steps: 2
  max_steps: {steps}
  learning_rate: 2e-4
  lr_scheduler_type: constant
  warmup_steps: 0
  activation_checkpointing: false
  logging_steps: 1
  save_strategy: "no"
launch: {{mixed_precision: "no", use_cpu: true}}
speed: "off"
seed: 42
output_dir: {output}
"""
_ADAPTERS = {"lora": "{type: lora, r: 16, lora_alpha: 32, lora_dropout: 0}", "full": "null"}


@dataclass(frozen=True)
class Job:
    """What both arms train."""

    method: str
    model: Path
    data: Path
    steps: int


@dataclass(frozen=True)
class Run:
    """One run of one arm. Seconds, real (non-padding) tokens and MiB.

    The first step is counted from the start of the process to the end of the first
    optimizer step; steady rates are those from step 3 on, None for short runs.
    """

    method: str
    arm: str
    cached: bool
    repeat: int
    first_step: float
    first_step_cpu: float
    tokens_per_second: float | None
    tokens_per_cpu_second: float | None
    peak_rss: float
    wall: float
    cpu: float
    losses: Sequence[float]


def bench(options: Options) -> list[Headline]:
    """Train with LoRA, print and write the results; raises `Failed` where losses differ.

    `benchmarks.speed` has training in full, where the losses must agree too.
    """
    made = assets.make(options.work / "assets", _ROWS)
    job = Job("lora", made.model, made.chats(_ROWS), _STEPS)
    runs: list[Run] = []
    for repeat in Budget(options).turns():
        runs += compare(job, options.work / "train", repeat)
    return report(runs, options.results)


def compare(job: Job, work: Path, repeat: int = 0) -> list[Run]:
    """Both arms in turn, with empty caches and then with full ones."""
    runs = []
    for cached in (False, True):
        for arm in ARMS:
            folder = work / job.method / arm
            if not cached:
                shutil.rmtree(folder, ignore_errors=True)
            say(f"train {job.method} {'cached' if cached else 'cold'} {repeat + 1}: {arm}")
            runs.append(_run(job, folder, arm, repeat, cached=cached))
    return runs


def report(runs: Sequence[Run], results: Path) -> list[Headline]:
    """Print the tables and write the results; raises `Failed` where losses differ."""
    summaries = [summary(runs, method) for method in dict.fromkeys(run.method for run in runs)]
    write(results, "train", [*map(asdict, runs), *summaries])
    for found in summaries:
        medians = found["medians"]
        rows = [
            (name, *(medians[arm][name] for arm in ARMS), found["ratios"][name])
            for name in found["ratios"]
        ]
        show(f"train, {found['method']}: medians", ("", *ARMS, "ratio"), rows)
        show(
            f"train, {found['method']}: loss of every step",
            ("step", *ARMS, "relative difference"),
            (
                (str(step), *(f"{loss:.9f}" for loss in pair), f"{_difference(*pair):.1e}")
                for step, pair in enumerate(found["losses"], 1)
            ),
        )
    for found in summaries:
        if found["largest_loss_difference"] > TOLERANCE:
            raise Failed(
                f"{found['method']}: the losses differ by {found['largest_loss_difference']:.1e}, "
                f"more than {TOLERANCE:.0e}"
            )
    first = summaries[0]["ratios"]
    less = ("first step, cold (CPU s)", "first step, cached (CPU s)", "peak RSS (MiB)")
    return [
        *(Headline(f"train: {name}", first[name], less=True) for name in less if name in first),
        *(Headline(f"train: {name}", first[name]) for name in first if name == "tokens/CPU s"),
    ]


def summary(runs: Sequence[Run], method: str) -> dict[str, Any]:
    """Medians of each arm, their ratios (ours / raw), and the losses side by side."""
    medians = {
        arm: dict(_medians([r for r in runs if (r.method, r.arm) == (method, arm)])) for arm in ARMS
    }
    raw, ours = (medians[arm] for arm in ARMS)
    longest = [
        max((r for r in runs if (r.method, r.arm) == (method, arm)), key=lambda r: len(r.losses))
        for arm in ARMS
    ]
    pairs = list(zip(*(run.losses for run in longest), strict=True))
    # All runs of a method take the same first steps, so each is compared with the longest.
    largest = max(
        _difference(a, b)
        for run in runs
        if run.method == method
        for a, b in zip(longest[0].losses, run.losses, strict=False)
    )
    return {
        "method": method,
        "medians": medians,
        "ratios": {name: ours[name] / raw[name] for name in raw},
        "losses": pairs,
        "largest_loss_difference": largest,
    }


def _medians(runs: Sequence[Run]) -> Iterator[tuple[str, float]]:
    long = [run for run in runs if not run.cached]
    short = [run for run in runs if run.cached]
    yield "first step, cold (s)", median(r.first_step for r in long)
    yield "first step, cold (CPU s)", median(r.first_step_cpu for r in long)
    if short:
        yield "first step, cached (s)", median(r.first_step for r in short)
        yield "first step, cached (CPU s)", median(r.first_step_cpu for r in short)
    rates = [r.tokens_per_second for r in long if r.tokens_per_second]
    cpu_rates = [r.tokens_per_cpu_second for r in long if r.tokens_per_cpu_second]
    if rates and cpu_rates:
        yield "tokens/s", median(rates)
        yield "tokens/CPU s", median(cpu_rates)
    yield "peak RSS (MiB)", median(r.peak_rss for r in long)
    yield "whole run (s)", median(r.wall for r in long)
    yield "whole run (CPU s)", median(r.cpu for r in long)


def _difference(a: float, b: float) -> float:
    return abs(a - b) / max(abs(a), abs(b))


def _run(job: Job, folder: Path, arm: str, repeat: int, *, cached: bool) -> Run:
    output = folder / f"{'cached' if cached else 'cold'}-{repeat}"
    steps = _FEW_STEPS if cached else job.steps
    command = (_raw if arm == "raw_trl" else _recipe)(job, output, steps)
    found = measure.run(
        command,
        log=folder / f"{output.name}.log",
        environment=environment(folder / "cache"),
        watch=output / "metrics.jsonl",
        marks=sorted({1, _STEADY_FROM, steps}),
    )
    rows = [row for row in _read(output / "metrics.jsonl") if "loss" in row]
    if len(rows) != steps:
        raise Failed(f"{arm} logged {len(rows)} steps of {steps}; see {folder}")
    seconds, cpu, tokens = None, None, 0
    if steps > _STEADY_FROM:
        first, last = rows[_STEADY_FROM - 1], rows[-1]
        tokens = int(last["num_tokens"]) - int(first["num_tokens"])
        seconds = last["time"] - first["time"]
        cpu = found.marks[steps].cpu - found.marks[_STEADY_FROM].cpu
    return Run(
        method=job.method,
        arm=arm,
        cached=cached,
        repeat=repeat,
        first_step=rows[0]["time"] - found.started,
        first_step_cpu=found.marks[1].cpu,
        tokens_per_second=tokens / seconds if seconds else None,
        tokens_per_cpu_second=tokens / cpu if cpu else None,
        peak_rss=found.peak_rss,
        wall=found.wall,
        cpu=found.cpu,
        losses=[row["loss"] for row in rows],
    )


def _raw(job: Job, output: Path, steps: int) -> list[str | Path]:
    script = Path(__file__).with_name("raw_trl.py")
    paths: list[str | Path] = ["--model", job.model, "--data", job.data, "--output", output]
    full = ["--full"] if job.method == "full" else []
    return [sys.executable, script, *paths, "--steps", str(steps), *full]


def _recipe(job: Job, output: Path, steps: int) -> list[str | Path]:
    output.parent.mkdir(parents=True, exist_ok=True)
    recipe = output.with_suffix(".yaml")
    recipe.write_text(recipe_text(job, output, steps), encoding="utf-8")
    return [sys.executable, "-m", "recipe_runner", "train", recipe]


def recipe_text(job: Job, output: Path, steps: int) -> str:
    """The job as a recipe."""
    return _RECIPE.format(
        model=json.dumps(str(job.model)),
        data=json.dumps(str(job.data)),
        max_length=assets.MAX_LENGTH,
        adapter=_ADAPTERS[job.method],
        steps=steps,
        output=json.dumps(str(output)),
    )


def _read(path: Path) -> Iterator[Mapping[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)
