"""LitGPT: full fine-tuning by its command line, with rows of tokens in place of its prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.peer.base import INSIDE, Command, Peer, Task

_CONFIG = """\
# litgpt finetune_full --config this file
checkpoint_dir: {checkpoint}
out_dir: {out}
precision: {precision}
devices: 1
data:
  class_path: rows_in_litgpt.Rows
  init_args: {{path: {rows}}}
train:
  save_interval: null
  log_interval: 1
  global_batch_size: {batch}
  micro_batch_size: {micro}
  # Its schedule divides by it; with 1 the first step has a rate of 0.
  lr_warmup_steps: 1
  epochs: 2
  max_steps: {steps}
eval: {{interval: 100000, initial_validation: false, final_validation: false, max_iters: 1}}
optimizer:
  class_path: torch.optim.AdamW
  init_args: {{lr: 0.0002}}
seed: 42
"""


def _files(task: Task) -> Mapping[str, str]:
    text = _CONFIG.format(
        checkpoint=task.folder / "checkpoint",
        out=task.folder / "out",
        precision="bf16-mixed" if task.half else "32-true",
        rows=task.rows,
        batch=task.job.micro * task.job.accumulation,
        micro=task.job.micro,
        steps=task.job.steps,
    )
    return {"litgpt.yaml": text}


def _commands(task: Task) -> Sequence[Command]:
    convert = INSIDE / "rows_in_litgpt.py"
    config = task.folder / "litgpt.yaml"
    return (
        (task.python, convert, task.model, task.folder / "checkpoint"),
        (task.program("litgpt"), "finetune_full", "--config", config),
    )


PEER = Peer(
    "litgpt", "litgpt", _files, _commands, r"loss train: ([\d.]+).*\(step\)", needs_gpu=False
)
