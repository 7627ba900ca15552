"""The arms of a job, raw TRL and a recipe, in turn, in one process; on a CPU or a GPU.

`python -m benchmarks.arms JOBS TOKENIZER WORK REPEATS SECONDS` prints a JSON line per run of an
arm of `benchmarks.speed`. A run makes a model with the same weights and trains a few steps.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.answers import given_answers, reward, target
from benchmarks.jobs import JOBS, Arm, Job, arms_of
from benchmarks.results import Options
from benchmarks.rows import empty_model, fill, model_of, read, rows_of
from benchmarks.timing import Counted, timed

_ADAPTER: Mapping[str, Any] = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0}
_TRAINERS = {"sft": "SFT", "dpo": "DPO", "reward": "Reward", "grpo": "GRPO"}


def main(names: Sequence[str], tokenizer: Path, options: Options) -> None:
    """Print a line per run of each arm: all arms of a job in turn, then the next job, and again.

    A job is begun where the longest one so far would still end in time, and else left out.
    """
    from recipe_runner.execute.environment import hush

    hush()
    jobs = [job for job in JOBS if job.name in names]
    benches = [Bench(job, options.work / job.name, tokenizer) for job in jobs]
    end, longest = time.monotonic() + options.seconds, 0.0
    for repeat in range(options.repeats):
        for bench in benches:
            begun = time.monotonic()
            if begun + longest > end:
                if repeat == 0:
                    print(json.dumps({"left_out": bench.job.name}), flush=True)
                continue
            for arm in arms_of(bench.job):
                print(json.dumps({"repeat": repeat, **bench.run(arm)}), flush=True)
            longest = max(longest, time.monotonic() - begun)


class Refused(Exception):
    """The recipe of an arm has no plan for this machine."""


class Bench:
    """A job with its model and rows in a folder, ready to be run by any arm on `device`."""

    def __init__(self, job: Job, folder: Path, tokenizer: Path, device: str = "cpu") -> None:
        self.job, self.folder, self.device = job, folder, device
        self.mixed = precision(device)
        model_of(folder / "model", tokenizer, job, device)
        self.rows = rows_of(job, folder)

    def run(self, arm: Arm, until: float = math.inf) -> dict[str, Any]:
        """Time the arm; a JSON line. `until`, of `time.monotonic`, ends it after few steps."""
        plans: list[Any] = []
        counted = Counted()

        def make() -> Any:
            trainer = self._raw(arm) if arm.tool == "raw" else self._ours(arm, plans)
            if self.job.algorithm == "grpo":
                given_answers(trainer, self.job, counted)
            return trainer

        # Trainers print, and a log is read line by line. Levers go off when the arm ends.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.ExitStack() as self._levers:
            found = timed(
                make, device=self.device, warm_up=self.job.warm_up, until=until, counted=counted
            )
        levers = [lever.name for plan in plans for lever in plan.speed.levers if _used(lever)]
        predicted = [_memory(plan) for plan in plans]
        return {
            "job": self.job.name,
            "arm": arm.name,
            "precision": self.mixed,
            "weights": arm.weights,
            "same_rows": arm.rows,
            **found,
            **({"levers": levers} if plans else {}),
            **({"predicted_mib": predicted[0]} if predicted and predicted[0] else {}),
        }

    def _raw(self, arm: Arm) -> Any:
        """The job as a TRL script would have it: checkpointing and bfloat16 are TRL's defaults."""
        import trl
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import AutoTokenizer
        from transformers.trainer_callback import PrinterCallback

        job = self.job
        options: dict[str, Any] = {
            "output_dir": str(self.folder / "checkpoints"),
            "per_device_train_batch_size": job.micro,
            "gradient_accumulation_steps": job.accumulation,
            "max_steps": job.steps,
            "learning_rate": 2e-4,
            "lr_scheduler_type": "constant",
            "use_cpu": self.device == "cpu",
            "bf16": self.mixed == "bf16",
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "seed": 42,
            **arm.options,
        }
        attention = options.pop("attn_implementation", None)
        more: dict[str, Any] = {}
        if job.algorithm == "grpo":
            options["num_generations"] = job.answers
            options["max_completion_length"] = job.longest
            more["reward_funcs"] = reward(job)
        else:
            options["max_length"] = job.max_length
        if job.algorithm == "sft":
            options["dataset_kwargs"] = {"skip_prepare_dataset": True}
        if job.adapter:
            more["peft_config"] = LoraConfig(**_ADAPTER, target_modules="all-linear")
        if job.stored:
            options["model_init_kwargs"] = _load(job, arm, attention, self.device)
        kind = _TRAINERS[job.algorithm]
        trainer = getattr(trl, f"{kind}Trainer")(
            model=str(self.folder / "model") if job.stored else self._drawn(arm, attention),
            args=getattr(trl, f"{kind}Config")(**options),
            train_dataset=Dataset.from_list(list(read(self.rows))),
            processing_class=AutoTokenizer.from_pretrained(self.folder / "model"),
            **more,
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def _drawn(self, arm: Arm, attention: str | None) -> Any:
        import torch

        model = empty_model(
            self.folder / "model", self.job, getattr(torch, arm.weights), self.device
        )
        if attention is not None:
            model.set_attn_implementation(attention)
        return fill(model)

    def _ours(self, arm: Arm, plans: list[Any]) -> Any:
        """The job as a recipe, up to the trainer, with its levers on."""
        import torch

        from recipe_runner.execute.data.prepare import prepare
        from recipe_runner.execute.feeds import training_rows
        from recipe_runner.execute.model import load_model
        from recipe_runner.execute.rewards import CompletionsLog, build_rewards
        from recipe_runner.execute.speed.levers import hook, levers_of, with_model
        from recipe_runner.execute.tokenizer import load_tokenizer
        from recipe_runner.execute.trainer import Company, build_trainer, training_arguments

        plan = self.plan(arm)
        tokenizer = load_tokenizer(plan.tokenizer)
        prepared = prepare(plan, tokenizer)
        if self.job.stored:
            model = load_model(plan, tokenizer, hook(plan, "make_model"))
        else:
            drawn = replace(plan, model=replace(plan.model, random_init=True))
            with torch.device(self.device):
                model = fill(load_model(drawn, tokenizer))
        plan = with_model(plan, model)
        judges = build_rewards(plan, tokenizer, CompletionsLog(None)) if plan.rewards else []
        trainer = build_trainer(
            plan,
            arguments=training_arguments(plan, self.folder / "checkpoints"),
            model=model,
            tokenizer=tokenizer,
            train=training_rows(plan, prepared),
            evaluation=None,
            callbacks=[],
            company=Company({}, judges),
        )
        receipts = self._levers.enter_context(levers_of(plan, trainer))
        used = tuple(each.lever for each in receipts)
        plans.append(replace(plan, speed=replace(plan.speed, levers=used)))
        return trainer

    def plan(self, arm: Arm) -> Any:
        """The plan of the arm's recipe for this machine. Raises `Refused` where there is none."""
        from recipe_runner.compiler.machine import machine
        from recipe_runner.execute.probe import this_machine
        from recipe_runner.pipeline import compile_text

        text = json.dumps(self.recipe(arm))
        target = machine("cpu-1") if self.device == "cpu" else this_machine()
        compiled = compile_text(text, "recipe.yaml", target, cwd=self.folder)
        if compiled.plan is None:
            raise Refused("; ".join(found.message for found in compiled.report))
        return compiled.plan

    def levers(self, arm: Arm) -> list[str]:
        """The levers that the plan of the arm uses."""
        return [lever.name for lever in self.plan(arm).speed.levers if _used(lever)]

    def recipe(self, arm: Arm) -> dict[str, Any]:
        """The job as a recipe. `options` of the arm are those of its section `training`."""
        job = self.job
        data = {"train": str(self.rows), "packing": arm.packing}
        recipe: dict[str, Any] = {
            "recipe": 1,
            "model": {"name_or_path": str(self.folder / "model"), "dtype": arm.weights},
            "data": data if job.algorithm == "grpo" else {**data, "max_length": job.max_length},
            "algorithm": job.algorithm,
            "training": {
                "per_device_train_batch_size": 2 if arm.packing else job.micro,
                "gradient_accumulation_steps": job.accumulation,
                "max_steps": job.steps,
                "learning_rate": 2e-4,
                "lr_scheduler_type": "constant",
                "warmup_steps": 0,
                "logging_steps": 1,
                "save_strategy": "no",
                **arm.options,
            },
            "launch": {"mixed_precision": self.mixed, "use_cpu": self.device == "cpu"},
            "speed": arm.speed,
            "seed": 42,
            "output_dir": str(self.folder / "run"),
        }
        if job.algorithm == "grpo":
            recipe["algorithm"] = {
                "type": "grpo",
                "num_generations": job.answers,
                "max_completion_length": job.longest,
            }
            recipe["rewards"] = {"type": "length", "unit": "tokens", "target": target(job)}
        if job.adapter:
            recipe["adapter"] = {"type": "lora", **_ADAPTER}
        if job.bits:
            recipe["quantization"] = f"bnb_{job.bits}bit"
        return recipe


def precision(device: str) -> str:
    """`bf16`, or `no` on a CPU that has to imitate it: there TRL's default is slower than float32."""
    from recipe_runner.execute.probe import this_machine

    return "bf16" if device != "cpu" or this_machine().bf16 else "no"


def _load(job: Job, arm: Arm, attention: str | None, device: str) -> dict[str, Any]:
    """How TRL loads the model: in float32 where nothing else is said."""
    load: dict[str, Any] = {}
    if attention is not None:
        load["attn_implementation"] = attention
    if arm.weights != "float32" or job.bits:
        load["dtype"] = arm.weights
    if job.bits:
        import torch
        from transformers import BitsAndBytesConfig

        load["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        load["device_map"] = {"": device if device == "cpu" else 0}
    return load


def _used(lever: Any) -> bool:
    return bool(lever.state == "applied")


def _memory(plan: Any) -> dict[str, float] | None:
    """What the plan tells of memory, in MiB: of tensors, and of the process with all beside."""
    if plan.cost is None:
        return None
    memory = plan.cost.memory
    return {
        "allocated": (memory.total - memory.buffers) / 2**20,
        "reserved": memory.total / 2**20,
    }


if __name__ == "__main__":
    _, names_, tokenizer_, work_, repeats_, seconds_ = sys.argv
    limits_ = Options(Path(work_), Path(work_), int(repeats_), seconds=float(seconds_))
    main(names_.split(","), Path(tokenizer_), limits_)
