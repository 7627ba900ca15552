"""torchtune: its recipe for full fine-tuning on one device, with rows of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peer.base import Command, Peer, Task

_CONFIG = """\
# tune run full_finetune_single_device --config this file
output_dir: {out}
model:
  _component_: torchtune.models.llama2.llama2
  vocab_size: {vocab_size}
  num_layers: {num_hidden_layers}
  num_heads: {num_attention_heads}
  num_kv_heads: {num_key_value_heads}
  embed_dim: {hidden_size}
  intermediate_dim: {intermediate_size}
  max_seq_len: 1024
  norm_eps: 1.0e-6
tokenizer: {{_component_: rows_in_torchtune.Tokens}}
dataset: {{_component_: rows_in_torchtune.rows, path: {rows}, packed: false}}
seed: 42
shuffle: false
checkpointer:
  _component_: torchtune.training.FullModelHFCheckpointer
  checkpoint_dir: {model}
  checkpoint_files: [model.safetensors]
  recipe_checkpoint: null
  output_dir: {out}
  model_type: LLAMA2
resume_from_checkpoint: false
batch_size: {micro}
epochs: 1
optimizer: {{_component_: torch.optim.AdamW, lr: 2.0e-4, fused: true}}
loss: {{_component_: torchtune.modules.loss.CEWithChunkedOutputLoss}}
max_steps_per_epoch: {steps}
gradient_accumulation_steps: {accumulation}
optimizer_in_bwd: false
clip_grad_norm: 1.0
compile: false
device: {device}
enable_activation_checkpointing: false
enable_activation_offloading: false
# It has no mixed precision: bf16 would train weights of 16 bits.
dtype: {dtype}
metric_logger:
  _component_: torchtune.training.metric_logging.DiskLogger
  log_dir: {out}
  filename: metrics.txt
log_every_n_steps: 1
log_peak_memory_stats: false
profiler: {{_component_: torchtune.training.setup_torch_profiler, enabled: false}}
"""


def _files(task: Task) -> Mapping[str, str]:
    text = _CONFIG.format(
        **task.job.shape.config,
        out=task.folder / "out",
        rows=task.rows,
        model=task.model,
        micro=task.job.micro,
        accumulation=task.job.accumulation,
        steps=task.job.steps,
        device="cpu",
        dtype="bf16" if task.half else "fp32",
    )
    return {"torchtune.yaml": text}


def _commands(task: Task) -> Sequence[Command]:
    tune = task.program("tune")
    config = task.folder / "torchtune.yaml"
    return ((tune, "run", "full_finetune_single_device", "--config", config),)


def _log(task: Task) -> Path:
    return task.folder / "out/metrics.txt"


PEER = Peer("torchtune", "torchtune", _files, _commands, r"^Step \d+ \| loss:([\d.]+)", _log)
