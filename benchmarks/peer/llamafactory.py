"""LLaMA-Factory: full fine-tuning of rows of tokens, by its command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peer.base import INSIDE, Command, Peer, Task

_CONFIG = """\
# llamafactory-cli train this file
model_name_or_path: {model}
stage: sft
do_train: true
finetuning_type: full
# Rows with their labels, saved by datasets: nothing is rendered.
tokenized_path: {rows}
template: empty
cutoff_len: {longest}
disable_shuffling: true
per_device_train_batch_size: {micro}
gradient_accumulation_steps: {accumulation}
max_steps: {steps}
learning_rate: 2.0e-4
lr_scheduler_type: constant
warmup_steps: 0
bf16: {half}
disable_gradient_checkpointing: true
use_cpu: true
logging_steps: 1
save_strategy: "no"
report_to: none
seed: 42
output_dir: {out}
overwrite_output_dir: true
"""


def _files(task: Task) -> Mapping[str, str]:
    text = _CONFIG.format(
        model=task.model,
        rows=task.folder / "tokenized",
        longest=task.job.longest,
        micro=task.job.micro,
        accumulation=task.job.accumulation,
        steps=task.job.steps,
        half=str(task.half).lower(),
        out=task.folder / "out",
    )
    return {"llamafactory.yaml": text}


def _commands(task: Task) -> Sequence[Command]:
    save = INSIDE / "rows_for_datasets.py"
    return (
        (task.python, save, task.rows_with_mask, task.folder / "tokenized"),
        (task.program("llamafactory-cli"), "train", task.folder / "llamafactory.yaml"),
    )


def _log(task: Task) -> Path:
    return task.folder / "out/trainer_log.jsonl"


PEER = Peer(
    "llamafactory", "llamafactory", _files, _commands, r'"loss": ([\d.]+)', _log, never_run=True
)
