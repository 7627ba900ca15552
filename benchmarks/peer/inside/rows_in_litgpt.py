"""Rows of tokens for LitGPT, and a checkpoint of transformers in its form; runs in its Python.

`python rows_in_litgpt.py MODEL CHECKPOINT` converts; `Rows` is named in the configuration.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from litgpt.config import Config
from litgpt.data import DataModule, get_sft_collate_fn
from litgpt.prompts import Default


@dataclass
class Rows(DataModule):
    """The rows of a file, with `input_ids` and `labels`, in their order."""

    path: str

    def __post_init__(self):
        super().__init__()
        self.prompt_style = Default()

    def connect(self, tokenizer=None, batch_size=1, max_seq_length=None):
        del tokenizer, max_seq_length
        self.batch_size = batch_size

    def train_dataloader(self):
        return self._loader(_read(self.path))

    def val_dataloader(self):
        # It looks at a batch before it trains.
        return self._loader(_read(self.path)[:1])

    def _loader(self, rows):
        collate = get_sft_collate_fn()
        return torch.utils.data.DataLoader(rows, self.batch_size, collate_fn=collate)


def _read(path):
    rows = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        row = {name: torch.tensor(value) for name, value in json.loads(line).items()}
        count = len(row["input_ids"])
        rows.append({**row, "token_counts": {"raw": count, "raw_plus_prompt_template": count}})
    return rows


def convert(model, folder):
    """Write `lit_model.pth` and `model_config.yaml` beside the tokenizer."""
    import yaml
    from litgpt.scripts.convert_hf_checkpoint import copy_weights_hf_llama
    from safetensors.torch import load_file

    known = json.loads((model / "config.json").read_text(encoding="utf-8"))
    values = {
        "name": "benchmark",
        "block_size": 1024,
        "vocab_size": known["vocab_size"],
        "padded_vocab_size": known["vocab_size"],
        "n_layer": known["num_hidden_layers"],
        "n_embd": known["hidden_size"],
        "n_head": known["num_attention_heads"],
        "n_query_groups": known["num_key_value_heads"],
        "head_size": known["head_dim"],
        "intermediate_size": known["intermediate_size"],
        "norm_class_name": "RMSNorm",
        "norm_eps": 1e-6,
        "mlp_class_name": "LLaMAMLP",
        "parallel_residual": False,
        "bias": False,
        "rotary_percentage": 1.0,
    }
    shutil.copytree(model, folder, dirs_exist_ok=True, ignore=lambda *_: ["model.safetensors"])
    (folder / "model_config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    weights = {}
    copy_weights_hf_llama(Config(**values), {}, weights, load_file(model / "model.safetensors"))
    torch.save(weights, folder / "lit_model.pth")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
