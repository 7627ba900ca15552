"""`python -m tests.runs.estimate.measured`: the memory that the plan tells, and what a run takes.

Each case trains two steps of a random model in a process of its own, on a CPU, as a plain TRL
script with the plan's arguments, in some cases with the levers of `speed: auto`. Its memory is the
peak of the resident set above what is resident once everything is imported. Rows are of full
length, but for one token in every other row of a batch, so that there is padding and a mask.

What is freed is given back to the system at once (`MALLOC_MMAP_THRESHOLD_`), as the plan counts
tensors and not what an allocator keeps. `--usual` leaves glibc as it is, which keeps up to as much
again.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import Compiled, compile_text
from recipe_runner.plan import CostPlan
from tests.tiny import tiny_tokenizer

STEPS = 2

_SMALL = {
    "vocab_size": 8192,
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "max_position_embeddings": 2048,
}
MODELS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "llama 34M": ("llama", _SMALL),
    "qwen3 30M": ("qwen3", {**_SMALL, "tie_word_embeddings": True}),
    "llama 96M": (
        "llama",
        {
            **_SMALL,
            "hidden_size": 768,
            "intermediate_size": 2048,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "vocab_size": 16384,
        },
    ),
    "gemma 41M": ("gemma", {**_SMALL, "intermediate_size": 2048, "vocab_size": 16384}),
}


@dataclass(frozen=True)
class Case:
    """A run. `rows` of `length` tokens are a micro-batch, of which a step has `micro`."""

    model: str
    rows: int = 4
    length: int = 512
    micro: int = 1
    adapter: Any = None
    checkpointing: bool = False
    every: int = 1
    selective: bool = False
    precision: str = "no"
    optim: str = "adamw_torch_fused"
    trainable: Any = None
    speed: str = "off"

    @property
    def name(self) -> str:
        """The case in words."""
        trains = "LoRA" if self.adapter else "last layers" if self.trainable else "full"
        again = f", checkpointed/{self.every}" if self.checkpointing else ""
        again += " but attention" if self.selective else ""
        kind = "float32" if self.precision == "no" else "bf16 autocast"
        micro = f" x {self.micro}" if self.micro > 1 else ""
        optim = "" if self.optim.startswith("adamw") else f", {self.optim}"
        dropout = ", dropout" if isinstance(self.adapter, dict) else ""
        levers = "" if self.speed == "off" else f", speed: {self.speed}"
        rows = f"{self.rows} x {self.length}{micro}"
        return f"{self.model}, {trains}{dropout}, {rows}, {kind}{again}{optim}{levers}"


_DROPOUT = {"type": "lora", "lora_dropout": 0.05}
CASES = (
    Case("llama 34M"),
    Case("llama 34M", checkpointing=True),
    Case("llama 34M", rows=1, length=1024),
    Case("llama 34M", micro=2),
    Case("llama 34M", precision="bf16"),
    Case("llama 34M", adapter="lora"),
    Case("llama 34M", adapter="lora", checkpointing=True),
    Case("llama 34M", adapter="lora", precision="bf16"),
    Case("llama 34M", adapter=_DROPOUT),
    Case("llama 34M", trainable={"last_layers": 2, "head": True}),
    Case("llama 34M", optim="sgd"),
    Case("qwen3 30M", rows=8, length=256),
    Case("qwen3 30M", rows=8, length=256, adapter="lora", precision="bf16", checkpointing=True),
    Case("llama 96M", rows=2),
    Case("llama 96M", rows=2, checkpointing=True, every=2),
    Case("llama 96M", rows=2, adapter="lora"),
    Case("llama 96M", rows=1, length=1024, adapter="lora", checkpointing=True, every=3),
    Case("llama 96M", rows=2, length=1024, adapter="lora", checkpointing=True, selective=True),
    Case("gemma 41M", rows=2, length=1024),
    Case("llama 34M", speed="auto"),
    Case("llama 34M", precision="bf16", speed="auto"),
    Case("llama 34M", adapter="lora", speed="auto"),
    Case("llama 34M", adapter="lora", precision="bf16", speed="auto"),
    Case("llama 34M", checkpointing=True, speed="auto"),
    Case("qwen3 30M", rows=8, length=256, speed="auto"),
    Case("llama 96M", rows=2, speed="auto"),
    Case("gemma 41M", rows=2, length=1024, adapter="lora", speed="auto"),
)


@dataclass(frozen=True)
class Measured:
    """Bytes: what the plan tells, and what the run took."""

    told: int
    taken: int

    @property
    def error(self) -> float:
        """How far the plan is off, as a fraction of what was taken."""
        return self.told / self.taken - 1


def compiled(case: Case, folder: Path) -> Compiled:
    """The recipe of a case in a folder that `prepare` made."""
    model: dict[str, Any] = {"name_or_path": case.model.replace(" ", "-")}
    if case.trainable:
        model["trainable"] = case.trainable
    recipe = {
        "recipe": 1,
        "model": model,
        "data": {"train": "rows.jsonl", "max_length": case.length},
        "algorithm": "sft",
        "adapter": case.adapter,
        "training": {
            "per_device_train_batch_size": case.rows,
            "gradient_accumulation_steps": case.micro,
            "max_steps": STEPS,
            "optim": case.optim,
            "activation_checkpointing": case.checkpointing,
            "activation_checkpointing_kwargs": {
                **({"every_n_layers": case.every} if case.every > 1 else {}),
                **({"selective": True} if case.selective else {}),
            },
            "save_strategy": "no",
        },
        "speed": case.speed,
        "launch": {"use_cpu": True, "mixed_precision": case.precision},
        "output_dir": "run",
    }
    return compile_text(json.dumps(recipe), "recipe.yaml", machine("cpu"), cwd=folder)


def cost(case: Case, folder: Path) -> CostPlan:
    """What the plan tells of a case."""
    found = compiled(case, folder)
    assert found.resolved is not None, [each.message for each in found.report]
    told = compile_cost(found.resolved)
    assert told is not None
    return told


def prepare(folder: Path) -> None:
    """Write the models, and rows that stand for others."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    (folder / "rows.jsonl").write_text(json.dumps({"text": "a"}) + "\n", encoding="utf-8")
    for name, (family, values) in MODELS.items():
        place = folder / name.replace(" ", "-")
        tokenizer = tiny_tokenizer(place)
        config = AutoConfig.for_model(
            family, **values, pad_token_id=tokenizer.pad_token_id, bos_token_id=None
        )
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(place)


def run(case: Case, folder: Path) -> int:
    """Train in this process. Returns the bytes of its peak above what its imports take."""
    import peft  # noqa: F401
    from datasets import Dataset
    from trl import SFTTrainer

    from recipe_runner.execute.build import build
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.recomputed import recompute
    from recipe_runner.execute.speed.levers import hook, levers_of, with_model
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.execute.trainer import training_arguments

    plan = compiled(case, folder).plan
    assert plan is not None
    tokenizer = load_tokenizer(plan.tokenizer)
    words = MODELS[case.model][1]["vocab_size"]
    lengths = [case.length - n % 2 for n in range(case.rows * case.micro * STEPS)]
    rows = [
        [(n * 7919 + i * 104729) % words for i in range(size)] for n, size in enumerate(lengths)
    ]
    data = Dataset.from_dict({"input_ids": rows, "labels": rows})
    arguments = training_arguments(plan, folder / "run")
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    model = load_model(plan, tokenizer, hook(plan, "make_model"))
    plan = with_model(plan, model)
    recompute(model, plan)
    adapter = build(plan.adapter) if plan.adapter is not None else None
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=adapter,
    )
    with levers_of(plan, trainer):
        trainer.train()
    return _resident("VmHWM") - before


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def measure(case: Case, folder: Path, *, usual: bool = False) -> Measured:
    """Train the case in a process of its own, with glibc's `usual` ways where that is asked for."""
    given = (json.dumps(asdict(case)), str(folder))
    command = [sys.executable, "-m", "tests.runs.estimate.measured", *given]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if not usual:
        environment["MALLOC_MMAP_THRESHOLD_"] = str(2**16)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return Measured(cost(case, folder).memory.total, int(done.stdout.splitlines()[-1]))


def main() -> int:
    """Print a table; 1 where a case is off by more than 10%."""
    usual = "--usual" in sys.argv
    given = [each for each in sys.argv[1:] if each != "--usual"]
    if len(given) == 2:
        print(run(Case(**json.loads(given[0])), Path(given[1])))
        return 0
    wanted = given[0] if given else ""
    errors = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        print(f"{'case':64} {'told':>7} {'taken':>7}  MiB")
        for case in CASES:
            if wanted not in case.name:
                continue
            found = measure(case, folder, usual=usual)
            errors.append(found.error)
            print(
                f"{case.name:64} {found.told / 2**20:7,.0f} {found.taken / 2**20:7,.0f} "
                f"{found.error:+7.1%}  {_parts(cost(case, folder))}",
                flush=True,
            )
    worst = max(errors, key=abs)
    print(f"largest error {worst:+.1%} of {len(errors)} cases")
    return int(abs(worst) > 0.1)


def _parts(told: CostPlan) -> str:
    parts = asdict(told.memory)
    return " ".join(f"{key[:3]} {parts[key] / 2**20:.0f}" for key in list(parts)[:6])


if __name__ == "__main__":
    sys.exit(main())
