"""`python -m tests.runs.speed.parity [STEPS]`: recipes with levers beside plain TRL scripts, step by step.

Trains the same rows for 50 steps, in float32 on a CPU, and prints the largest difference between
the losses, and between the lengths of the gradients in parts of them.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Shape
from tests.runs.algorithms.data import write
from tests.runs.algorithms.parity import COMMON, Steps, furthest
from tests.runs.train.by_hand import Recorder

LORA: Mapping[str, Any] = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0}


@dataclass(frozen=True)
class Case:
    """An algorithm, with an adapter or not, on a base in 4 bits or not."""

    algorithm: str
    shape: Shape
    adapter: bool = False
    four_bits: bool = False


CASES: Mapping[str, Case] = {
    "sft, full": Case("sft", "prompt_completion"),
    "sft, LoRA": Case("sft", "prompt_completion", adapter=True),
    "sft, QLoRA": Case("sft", "prompt_completion", adapter=True, four_bits=True),
    "dpo, full": Case("dpo", "preference"),
    "kto, full": Case("kto", "unpaired_preference"),
    "reward, full": Case("reward", "preference"),
}


def script(case: Case, folder: Path, model: Path, file: Path, steps: int) -> Steps:
    """The losses and gradients of a plain TRL script."""
    import datasets
    import torch
    import trl
    from peft import LoraConfig
    from transformers import BitsAndBytesConfig

    load: dict[str, Any] = {"dtype": "float32"}
    if case.four_bits:
        load["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
    name = {"sft": "SFT", "dpo": "DPO", "kto": "KTO", "reward": "Reward"}[case.algorithm]
    options = {**COMMON, "max_steps": steps, "learning_rate": 1e-4, "max_length": 64}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    adapter = {"peft_config": LoraConfig(**LORA, target_modules="all-linear")}
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = getattr(trl, f"{name}Trainer")(
            str(model),
            args=getattr(trl, f"{name}Config")(
                str(folder / "trl"), model_init_kwargs=load, **options
            ),
            train_dataset=datasets.Dataset.from_list(rows),
            **(adapter if case.adapter else {}),
        )
        trainer.train()
    return [(row["loss"], row["grad_norm"]) for row in trainer.state.log_history if "loss" in row]


def recipe(
    case: Case, folder: Path, model: Path, file: Path, steps: int
) -> tuple[Steps, list[str]]:
    """Those of the recipe with `speed: auto`, and the levers that were used."""
    from recipe_runner.execute.launch import launch

    sections: dict[str, Any] = {
        "recipe": 1,
        "model": {"name_or_path": str(model), "dtype": "float32"},
        # TRL's script for kto takes rows in the order of the file.
        "data": {"train": str(file), "max_length": 64, "shuffle": case.algorithm != "kto"},
        "algorithm": case.algorithm,
        "training": {
            "max_steps": steps,
            "learning_rate": 1e-4,
            "lr_scheduler_type": "linear",
            "warmup_steps": 0,
            "global_batch_size": 8,
            "per_device_train_batch_size": 4,
            "logging_steps": 1,
            "optim": "adamw_torch",
        },
        "output_dir": str(folder / "run"),
    }
    if case.adapter:
        sections["adapter"] = {"type": "lora", **LORA}
    if case.four_bits:
        sections["quantization"] = "bnb_4bit"
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(sections), encoding="utf-8")
    compiled = compile_file(str(path), machine("cpu"), cwd=folder)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    outcome = launch(compiled.plan, path.read_text(), "", Recorder())
    lines = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    noted = json.loads((outcome.run_dir / "run.json").read_text(encoding="utf-8"))["speed"]
    used = [each["name"] for each in noted if each["state"] == "applied"]
    return [(row["loss"], row["grad_norm"]) for row in rows], used


def main(steps: int) -> int:
    """Print a line per case."""
    from tests.tiny import tiny_model

    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        model = tiny_model(root / "model")
        for name, case in CASES.items():
            folder = root / name.replace(", ", "-")
            folder.mkdir()
            file = write(folder, case.shape)
            ours, used = recipe(case, folder, model, file, steps)
            theirs = script(case, folder, model, file, steps)
            print(
                f"{name:13} {len(ours)} steps, loss {theirs[0][0]:.4f} to {theirs[-1][0]:.4f}, "
                f"apart {furthest(ours, theirs):.1e}; {', '.join(used)}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 50))
