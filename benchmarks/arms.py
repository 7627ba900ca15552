"""The arms of `benchmarks.speed`: one job in raw TRL and as a recipe, in turn, in one process.

`python -m benchmarks.arms JOB TOKENIZER WORK REPEATS` prints a JSON line per run. A run makes a
model from the same seed, trains a few steps, and counts CPU seconds from the end of the first.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BASELINE = "raw TRL, defaults"
LONGEST = 256
_HALF = 2e-3
"""Difference of losses that bfloat16 may make, over a few steps."""


@dataclass(frozen=True)
class Job:
    """What is trained. `must` and `goal` are ratios to raw TRL that are aimed at.

    `useful` is about the share of padded tokens that are real; `micro` rows go through the
    model at once in a padded arm, `accumulation` times for a step.
    """

    name: str
    algorithm: str
    vocabulary: int
    steps: int
    must: float
    goal: float
    adapter: bool = False
    micro: int = 8
    accumulation: int = 1
    spread: float = 0.9
    tolerance: float = _HALF
    quick: bool = False


JOBS = (
    Job("full-4k", "sft", 4096, 6, 3, 4.5, quick=True),
    Job("full-32k", "sft", 32768, 4, 5, 9),
    Job("lora-4k", "sft", 4096, 6, 3, 5, adapter=True),
    Job("exact-40", "sft", 4096, 4, 2.3, 2.6, micro=8, accumulation=2),
    Job("exact-70", "sft", 4096, 4, 1.25, 1.6, micro=2, accumulation=8),
    Job("dpo", "dpo", 4096, 5, 1.5, 2.5),
    Job("reward", "reward", 4096, 5, 1.5, 2.5),
)


@dataclass
class Clock:
    """Time, tokens and losses of a run, from the end of its first step."""

    began: float = 0.0
    cpu: float = 0.0
    losses: list[float] = field(default_factory=list)
    lengths: list[list[int]] = field(default_factory=list)


def main(name: str, tokenizer: str, work: str, repeats: int) -> None:
    """Print a line per run of each arm."""
    from recipe_runner.execute.environment import hush

    hush()
    [job] = [each for each in JOBS if each.name == name]
    folder = Path(work)
    model_of(folder / "model", Path(tokenizer), job)
    rows = rows_of(job, folder)
    for repeat in range(repeats):
        for arm, (make, same) in _arms(job, folder, rows).items():
            found = timed(make)
            line = {"job": name, "arm": arm, "repeat": repeat, "same_rows": same, **found}
            print(json.dumps(line), flush=True)


def _arms(job: Job, folder: Path, rows: Path) -> dict[str, tuple[Callable[[], Any], bool]]:
    """Each arm with what makes its trainer, and whether its steps have the rows of the others."""
    tuned: Mapping[str, Any] = {"activation_checkpointing": False}
    by_length = {**tuned, "train_sampling_strategy": "group_by_length"}
    arms: dict[str, tuple[Callable[[], Any], bool]] = {
        BASELINE: (lambda: raw(job, folder, rows, {}), True),
        "raw TRL, tuned": (lambda: raw(job, folder, rows, tuned), True),
    }
    if job.algorithm == "sft":
        arms["raw TRL, by length"] = (lambda: raw(job, folder, rows, by_length), False)
    arms["ours, off"] = (lambda: ours(job, folder, rows, "off", "null"), True)
    arms["ours, auto"] = (lambda: ours(job, folder, rows, "auto", "null"), True)
    if job.algorithm == "sft" and job.accumulation == 1:
        arms["ours, packed"] = (lambda: ours(job, folder, rows, "auto", "bfd"), False)
    return arms


def timed(make: Callable[[], Any]) -> dict[str, Any]:
    """Train what `make` makes; CPU seconds and tokens of the steps after the first, and all losses."""
    from transformers import TrainerCallback

    clock = Clock()
    trainer = make()

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 1:
                clock.began = time.process_time()
            clock.cpu = time.process_time() - clock.began

    trainer.add_callback(Watch())
    collate = trainer.data_collator
    trainer.data_collator = lambda rows: _counted(collate(rows), clock)
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    # Batches are made ahead, so those of the first step are told by their number.
    first = trainer.args.gradient_accumulation_steps
    real, padded = (sum(column) for column in zip(*clock.lengths[first:], strict=True))
    return {
        "steps": len(losses),
        "cpu_seconds": clock.cpu,
        "real_tokens": real,
        "padded_tokens": padded,
        "losses": losses,
    }


def _counted(batch: dict[str, Any], clock: Clock) -> dict[str, Any]:
    mask = batch.get("attention_mask")
    tokens = batch["input_ids"].numel()
    clock.lengths.append([int(mask.sum()) if mask is not None else tokens, tokens])
    return batch


def model_of(folder: Path, tokenizer: Path, job: Job) -> None:
    """Write a model with random weights, which all arms load, and the tokenizer beside it."""
    import shutil

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    shutil.copytree(tokenizer, folder, dirs_exist_ok=True)
    known = json.loads((tokenizer / "config.json").read_text(encoding="utf-8"))
    config = LlamaConfig(
        vocab_size=job.vocabulary,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=known["eos_token_id"],
        pad_token_id=known["pad_token_id"],
    )
    torch.manual_seed(0)
    if job.algorithm == "reward":
        config.num_labels = 1
        LlamaForSequenceClassification(config).save_pretrained(folder)
    else:
        LlamaForCausalLM(config).save_pretrained(folder)


def _length(draw: random.Random, job: Job) -> int:
    return min(LONGEST, max(8, round(draw.lognormvariate(math.log(60), job.spread))))


def rows_of(job: Job, folder: Path) -> Path:
    """As many rows as the steps take: tokens with labels, or texts with two answers."""
    draw = random.Random(0)
    count = job.micro * job.accumulation * job.steps
    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for _ in range(count):
            if job.algorithm == "sft":
                length = _length(draw, job)
                ids = [draw.randrange(300, 4000) for _ in range(length)]
                asked = max(1, round(length * 0.3))
                row: dict[str, Any] = {"input_ids": ids, "labels": [-100] * asked + ids[asked:]}
            else:
                # About three tokens a word.
                text = [_words(draw, max(2, _length(draw, job) // n)) for n in (9, 4, 4)]
                names = ("prompt", "chosen", "rejected")
                row = dict(zip(names, text, strict=True))
            out.write(json.dumps(row) + "\n")
    return file


def _words(draw: random.Random, count: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(draw.choices(letters, k=draw.randint(2, 7))) for _ in range(count))


def _loaded(rows: Path) -> Any:
    from datasets import Dataset

    lines = rows.read_text(encoding="utf-8").splitlines()
    return Dataset.from_list([json.loads(line) for line in lines])


def raw(job: Job, folder: Path, rows: Path, more: Mapping[str, Any]) -> Any:
    """The job as a TRL script would have it: bfloat16 and checkpointing are TRL's defaults."""
    import trl
    from peft import LoraConfig
    from transformers import AutoTokenizer

    options: dict[str, Any] = {
        "output_dir": str(folder / "checkpoints"),
        "per_device_train_batch_size": job.micro,
        "gradient_accumulation_steps": job.accumulation,
        "max_steps": job.steps,
        "learning_rate": 2e-4,
        "lr_scheduler_type": "constant",
        "max_length": 2 * LONGEST,
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 42,
        **more,
    }
    if job.algorithm == "sft":
        options["dataset_kwargs"] = {"skip_prepare_dataset": True}
    known = {"sft": "SFT", "dpo": "DPO", "reward": "Reward"}[job.algorithm]
    adapter = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear")
    return _quiet(
        getattr(trl, f"{known}Trainer")(
            model=str(folder / "model"),
            args=getattr(trl, f"{known}Config")(**options),
            train_dataset=_loaded(rows),
            processing_class=AutoTokenizer.from_pretrained(folder / "model"),
            **({"peft_config": adapter} if job.adapter else {}),
        )
    )


def _quiet(trainer: Any) -> Any:
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def ours(job: Job, folder: Path, rows: Path, speed: Any, packing: str) -> Any:
    """The job as a recipe, up to the trainer; the levers stay on until the process ends."""
    import contextlib

    from recipe_runner.compiler.machine import machine
    from recipe_runner.execute.data.prepare import prepare
    from recipe_runner.execute.feeds import training_rows
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.speed.levers import levers_of
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.execute.trainer import build_trainer, training_arguments
    from recipe_runner.pipeline import compile_text

    recipe = {
        "recipe": 1,
        "model": {"name_or_path": str(folder / "model"), "dtype": "float32"},
        "data": {"train": str(rows), "max_length": 2 * LONGEST},
        "algorithm": job.algorithm,
        "training": {
            "per_device_train_batch_size": job.micro,
            "gradient_accumulation_steps": job.accumulation,
            "max_steps": job.steps,
            "learning_rate": 2e-4,
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
            "logging_steps": 1,
            "save_strategy": "no",
        },
        "launch": {"mixed_precision": "bf16", "use_cpu": True},
        "speed": speed,
        "seed": 42,
        "output_dir": str(folder / "run"),
    }
    if packing != "null":
        recipe["data"]["packing"] = packing
        recipe["training"]["per_device_train_batch_size"] = 2
    if job.adapter:
        recipe["adapter"] = {"type": "lora", "r": 16, "lora_alpha": 32, "lora_dropout": 0}
    compiled = compile_text(json.dumps(recipe), "recipe.yaml", machine("cpu-1"), cwd=folder)
    plan = compiled.plan
    assert plan is not None, [found.message for found in compiled.report]
    tokenizer = load_tokenizer(plan.tokenizer)
    prepared = prepare(plan, tokenizer)
    trainer = build_trainer(
        plan,
        arguments=training_arguments(plan, folder / "checkpoints"),
        model=load_model(plan, tokenizer),
        tokenizer=tokenizer,
        train=training_rows(plan, prepared),
        evaluation=None,
        callbacks=[],
    )
    train = trainer.train

    def with_levers() -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(levers_of(plan, trainer))
            train()

    trainer.train = with_levers
    return trainer


if __name__ == "__main__":
    _, name_, tokenizer_, work_, repeats_ = sys.argv
    main(name_, tokenizer_, work_, int(repeats_))
