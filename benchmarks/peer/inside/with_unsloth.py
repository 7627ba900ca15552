"""`python with_unsloth.py MODEL ROWS OUT LONGEST MICRO ACCUMULATION STEPS`: full fine-tuning."""

# mypy: ignore-errors

from __future__ import annotations

import json
import sys
from pathlib import Path

from unsloth import FastLanguageModel  # isort: skip
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

model_, rows_, out_, longest_, micro_, accumulation_, steps_ = sys.argv[1:]
model, tokenizer = FastLanguageModel.from_pretrained(
    model_, max_seq_length=int(longest_), load_in_4bit=False, full_finetuning=True
)
lines = Path(rows_).read_text(encoding="utf-8").splitlines()
trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    train_dataset=Dataset.from_list([json.loads(line) for line in lines]),
    args=SFTConfig(
        output_dir=out_,
        dataset_kwargs={"skip_prepare_dataset": True},
        per_device_train_batch_size=int(micro_),
        gradient_accumulation_steps=int(accumulation_),
        max_steps=int(steps_),
        learning_rate=2e-4,
        lr_scheduler_type="constant",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed=42,
    ),
)
trainer.train()
