"""`python -m tests.runs.estimate.timed`: the time that the plan tells, and what a step takes.

Each case trains a few steps of a random model on a CPU, in one thread, with rows of full length
but for one token in every other row, as a plain TRL script with the plan's arguments, in some
cases with the levers of `speed: auto`. Times are those of the process, not of the clock on the
wall, and the machine is measured between the steps: others may share it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from recipe_runner.compiler.compile_cost import load_of
from recipe_runner.compiler.compile_run import run_of
from recipe_runner.compiler.estimate.duration import (
    ERRORS,
    Speeds,
    seconds_by_part,
    seconds_per_step,
)
from tests.runs.estimate import measured
from tests.runs.estimate.measured import MODELS, Case

STEPS = 4

CASES = (
    Case("llama 34M", rows=2, length=256),
    Case("llama 34M", rows=2, length=256, checkpointing=True),
    Case("llama 34M", rows=1, length=1024),
    Case("llama 34M", rows=2, length=256, adapter="lora"),
    Case("llama 34M", rows=2, length=256, precision="bf16"),
    Case("qwen3 30M", rows=1, length=256, micro=2),
    Case("llama 34M", rows=2, length=256, speed="auto"),
    Case("llama 34M", rows=2, length=256, adapter="lora", speed="auto"),
    Case("qwen3 30M", rows=1, length=256, micro=2, speed="auto"),
)


@dataclass
class Timed:
    """Seconds of each step but the first, and the rates of the machine meanwhile."""

    seconds: list[float] = field(default_factory=list)
    flops: list[float] = field(default_factory=list)
    bandwidth: list[float] = field(default_factory=list)

    @property
    def speeds(self) -> Speeds:
        """The middle of the rates."""
        return Speeds(median(self.flops), median(self.bandwidth))


def measure(case: Case, folder: Path) -> Timed:
    """Train in this process."""
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTTrainer

    from recipe_runner.execute.build import build
    from recipe_runner.execute.calibrate import copies, products
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.speed.levers import levers_of
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.execute.trainer import training_arguments

    kind = "float32" if case.precision == "no" else "bfloat16"
    found = Timed()

    class Clock(TrainerCallback):
        """Takes the time of steps, and measures the machine after each."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.process_time()

        def on_step_end(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
            if state.global_step > 1:
                found.seconds.append(time.process_time() - self.began)
            found.flops.append(products("cpu", kind, 0, time.process_time))
            found.bandwidth.append(copies("cpu", 0, time.process_time))

    plan = measured.compiled(case, folder).plan
    assert plan is not None
    tokenizer = load_tokenizer(plan.tokenizer)
    words = MODELS[case.model][1]["vocab_size"]
    count = case.rows * case.micro * STEPS
    rows = [
        [(n * 7919 + i * 104729) % words for i in range(case.length - n % 2)] for n in range(count)
    ]
    arguments = training_arguments(plan, folder / "run")
    arguments.max_steps = STEPS
    trainer = SFTTrainer(
        model=load_model(plan, tokenizer),
        args=arguments,
        train_dataset=Dataset.from_dict({"input_ids": rows, "labels": rows}),
        processing_class=tokenizer,
        peft_config=build(plan.adapter) if plan.adapter is not None else None,
        callbacks=[Clock()],
    )
    with levers_of(plan, trainer):
        # After the lever that counts cores: the plan is told the rates of one thread.
        torch.set_num_threads(1)
        trainer.train()
    del trainer
    gc.collect()
    return found


def told(case: Case, folder: Path, speeds: Speeds) -> tuple[float, dict[str, float]]:
    """Seconds of a step as the formula tells them, and by part for one micro-batch."""
    resolved = measured.compiled(case, folder).resolved
    assert resolved is not None
    run = run_of(resolved)
    assert run is not None
    load = load_of(resolved, run)
    assert load is not None
    return seconds_per_step(run, load, speeds), dict(seconds_by_part(run, load, speeds))


def main() -> int:
    """Print a table, and JSON lines with `--json`; 1 where the plan is off by more than it says."""
    as_json = "--json" in sys.argv
    wanted = next((each for each in sys.argv[1:] if each != "--json"), "")
    errors = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured.prepare(folder)
        print(f"{'case':52} {'GFLOP/s':>7} {'GB/s':>5} {'told':>7} {'taken':>7}  s")
        for case in (each for each in CASES if wanted in each.name):
            found = measure(case, folder)
            expected, parts = told(case, folder, found.speeds)
            taken = median(found.seconds)
            errors.append(expected / taken - 1)
            shares = " ".join(f"{part[:3]} {each:.3f}" for part, each in parts.items())
            print(
                f"{case.name:52} {found.speeds.flops / 1e9:7.1f} "
                f"{found.speeds.bandwidth / 1e9:5.1f} {expected:7.3f} {taken:7.3f} "
                f"{errors[-1]:+7.1%}  {shares}",
                flush=True,
            )
            if as_json:
                print(json.dumps({"case": case.name, "parts": parts, "taken": taken}))
    worst = max(errors, key=abs)
    print(f"largest error {worst:+.1%} of {len(errors)} cases")
    return int(abs(worst) > ERRORS["cpu"])


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main())
