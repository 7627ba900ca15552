"""Saves an adapter whose start has changed the base, so that it works on the base as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def save_for_plain_base(model: Any, first: Mapping[str, Any], folder: Path) -> None:
    """Write the adapter of `model` into `folder` as a plain LoRA of twice the rank.

    What the start took out of the base, `first`, is the second half with the other sign:
    the sum is what was trained, on the base as it was. Source: PiSSA, arXiv 2404.02948,
    appendix; `PeftModel.save_pretrained`.
    """
    from safetensors.torch import save_file

    config = model.peft_config["default"]
    how = config.init_lora_weights
    with tempfile.TemporaryDirectory() as name:
        start = Path(name)
        # Loading it must not take anything out of the base again.
        config.init_lora_weights = True
        try:
            config.save_pretrained(start)
        finally:
            config.init_lora_weights = how
        save_file(dict(first), start / "adapter_model.safetensors", metadata={"format": "pt"})
        model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(start))
