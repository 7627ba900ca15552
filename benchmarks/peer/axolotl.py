"""axolotl: full fine-tuning of rows of tokens, by its command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.peer.base import Command, Peer, Task

_CONFIG = """\
# python -m axolotl.cli.train this file
base_model: {model}
datasets:
  - path: {rows}
    ds_type: json
    type:
dataset_prepared_path: {prepared}
sequence_len: {longest}
sample_packing: false
pad_to_sequence_len: false
micro_batch_size: {micro}
gradient_accumulation_steps: {accumulation}
max_steps: {steps}
learning_rate: 0.0002
lr_scheduler: constant
warmup_steps: 0
optimizer: adamw_torch_fused
bf16: {half}
gradient_checkpointing: false
flash_attention: true
logging_steps: 1
save_strategy: "no"
seed: 42
output_dir: {out}
"""


def _files(task: Task) -> Mapping[str, str]:
    text = _CONFIG.format(
        model=task.model,
        rows=task.rows_with_mask,
        prepared=task.folder / "prepared",
        longest=task.job.longest,
        micro=task.job.micro,
        accumulation=task.job.accumulation,
        steps=task.job.steps,
        half=str(task.half).lower(),
        out=task.folder / "out",
    )
    return {"axolotl.yaml": text}


def _commands(task: Task) -> Sequence[Command]:
    return ((task.python, "-m", "axolotl.cli.train", task.folder / "axolotl.yaml"),)


PEER = Peer(
    "axolotl",
    "axolotl",
    _files,
    _commands,
    r"'loss': '?([\d.]+)",
    in_order=False,
    needs_gpu=True,
    never_run=True,
)
