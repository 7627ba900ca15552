"""Plans written by hand, tiny data, and a preparation that needs nothing of `execute.data`."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.diagnostics import Diagnostic
from recipe_runner.execute.console import Console, Progress
from recipe_runner.execute.suppliers import Suppliers
from recipe_runner.plan import (
    Call,
    DataPlan,
    FormatPlan,
    LaunchPlan,
    LossPlan,
    MachinePlan,
    ModelPlan,
    MonitorPlan,
    OutputPlan,
    Plan,
    SourcePlan,
    StepsPlan,
    TokenizerPlan,
    encode,
)

RECIPE = "recipe: 1\nmodel: tiny\n"
ROWS = 48
ARGUMENTS: Mapping[str, Any] = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "max_steps": 8,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 2,
    "logging_steps": 1,
    "save_strategy": "steps",
    "save_steps": 2,
    "save_total_limit": 3,
    "report_to": [],
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "max_length": 64,
    "packing": False,
    "seed": 42,
}
LORA = Call(
    "peft:LoraConfig",
    {
        "r": 4,
        "lora_alpha": 8,
        "lora_dropout": 0.1,
        "target_modules": "all-linear",
        "task_type": "CAUSAL_LM",
    },
)
FOUR_BIT = Call(
    "transformers:BitsAndBytesConfig",
    {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": "float32",
    },
)


def chats(path: Path, rows: int = ROWS, seed: int = 0) -> Path:
    """Write sums as conversations."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            a, b = draw.randint(0, 9), draw.randint(0, 9)
            question = " ".join(["what is"] * draw.randint(1, 6)) + f" {a} + {b}"
            turns = [
                {"role": "user", "content": question},
                {"role": "assistant", "content": str(a + b)},
            ]
            file.write(json.dumps({"messages": turns}) + "\n")
    return path


def plan_for(
    model: Path, folder: Path, *, arguments: Mapping[str, Any] | None = None, **changes: Any
) -> Plan:
    """A plan for `model`, with its data and its run directory in `folder`."""
    merged = {**ARGUMENTS, **(arguments or {})}
    data_file = folder / "chat.jsonl"
    if not data_file.exists():
        chats(data_file)
    source = SourcePlan(
        path=str(data_file),
        loader="json",
        format=FormatPlan("messages", "conversation"),
        loss=LossPlan.of("assistant"),
        files=(str(data_file),),
    )
    per_device, accumulation = (
        merged["per_device_train_batch_size"],
        merged["gradient_accumulation_steps"],
    )
    processes = changes.pop("processes", 1)
    plan = Plan(
        name="tiny",
        recipe_path=str(folder / "recipe.yaml"),
        recipe_sha256="0" * 64,
        algorithm="sft",
        seed=merged["seed"],
        model=ModelPlan(
            str(model),
            "transformers:AutoModelForCausalLM",
            {"dtype": "float32", "attn_implementation": "sdpa"},
            local=True,
        ),
        tokenizer=TokenizerPlan(str(model), {}),
        data=DataPlan((source,), max_length=merged["max_length"]),
        trainer=Call("trl:SFTTrainer"),
        arguments=Call("trl:SFTConfig", merged),
        steps=StepsPlan(
            per_device * accumulation * processes,
            per_device,
            accumulation,
            processes,
            None,
            merged["max_steps"],
        ),
        monitor=MonitorPlan(),
        launch=LaunchPlan(
            "ddp" if processes > 1 else "single",
            processes,
            1,
            "no",
            (),
            accelerate_config=DDP if processes > 1 else None,
        ),
        machine=MachinePlan("cpu", 0, 8.0, 2, False, "test"),
        outputs=OutputPlan(str(folder / "run"), ()),
    )
    return dataclasses.replace(plan, **changes)


DDP = {
    "compute_environment": "LOCAL_MACHINE",
    # MULTI_CPU would leave the processes without a process group in this stack.
    "distributed_type": "MULTI_GPU",
    "num_machines": 1,
    "num_processes": 2,
    "machine_rank": 0,
    "mixed_precision": "no",
    "main_process_port": 0,
    "use_cpu": True,
}


@dataclass(frozen=True)
class Rows:
    """What `Prepared` of `execute.data` offers to a run."""

    train: Any
    eval: Any | None
    receipt: None = None


def tokenized(path: str, tokenizer: Any) -> Any:
    """Rows as `input_ids` and `labels`, trained on every token."""
    import datasets

    ids = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        text = tokenizer.apply_chat_template(json.loads(line)["messages"], tokenize=False)
        ids.append(tokenizer(text, add_special_tokens=False)["input_ids"])
    return datasets.Dataset.from_dict({"input_ids": ids, "labels": [list(row) for row in ids]})


def prepare(plan: Plan, tokenizer: Any, console: Console) -> Rows:
    """All sources of the plan; `eval` where it has one."""
    evaluation = plan.data.eval
    return Rows(
        tokenized(plan.data.train[0].path, tokenizer),
        tokenized(evaluation[0].path, tokenizer) if evaluation else None,
    )


def conversations(plan: Plan, data: Any, count: int) -> Sequence[Sequence[dict[str, Any]]]:
    """The first evaluation rows."""
    lines = Path(plan.data.eval[0].path).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines[:count]]


BY_HAND = Suppliers(prepare, conversations)


class Recorder:
    """A console that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.diagnostics: list[Diagnostic] = []
        self.updates: list[Progress | None] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)

    def progress(self, progress: Progress | None) -> None:
        self.updates.append(progress)


def losses(run: Path) -> dict[int, float]:
    """The logged training losses of a run, by step."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if row["kind"] == "train"}


def start_driver(plan: Plan, folder: Path) -> subprocess.Popen[str]:
    """Launch `plan` in another process whose lines can be read from `stdout`."""
    file = folder / "driver-plan.json"
    file.write_text(encode(plan), encoding="utf-8")
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.runs.train.driver", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )


def read_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """Lines up to the first that holds `words`; fails where the process ends before."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return seen
    raise AssertionError(f"{words!r} never came; the process said:\n{''.join(seen)}")
