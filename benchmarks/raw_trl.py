"""Supervised fine-tuning as a plain TRL script: what `recipe-run train` is measured against.

It imports nothing of recipe_runner.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from datasets import load_dataset
from peft import LoraConfig
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer


class WriteMetrics(TrainerCallback):
    """Writes one JSON line per optimizer step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if logs and "loss" in logs:
            row = {
                "step": state.global_step,
                "loss": logs["loss"],
                "num_tokens": logs["num_tokens"],
                "time": time.time(),
            }
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--steps", required=True, type=int)
    parser.add_argument("--full", action="store_true", help="train all weights, without an adapter")
    given = parser.parse_args()

    given.output.mkdir(parents=True)
    trainer = SFTTrainer(
        model=given.model,
        args=SFTConfig(
            output_dir=str(given.output),
            per_device_train_batch_size=4,
            gradient_accumulation_steps=2,
            max_steps=given.steps,
            learning_rate=2e-4,
            lr_scheduler_type="constant",
            max_length=512,
            assistant_only_loss=True,
            activation_checkpointing=False,
            bf16=False,
            use_cpu=True,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=42,
        ),
        train_dataset=load_dataset("json", data_files=given.data, split="train"),
        peft_config=None
        if given.full
        else LoraConfig(
            r=16,
            lora_alpha=32,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        callbacks=[WriteMetrics(given.output / "metrics.jsonl")],
    )
    trainer.train()
    trainer.save_model(str(given.output / "model"))


if __name__ == "__main__":
    main()
