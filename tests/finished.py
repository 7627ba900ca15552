"""The directory of a run that has ended, without a training: for commands that use a result."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recipe_runner.execute import record
from recipe_runner.execute.outcome import Outcome, Scored
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan

RECIPE = "recipe: 1\nmodel: org/model-id\noutput_dir: runs/x\n"


def finished_run(
    folder: Path, plan: Plan, *, files: Mapping[str, bytes] | None = None
) -> RunDirectory:
    """A finished run of `plan` in `folder` with `files` as its model."""
    folder.mkdir(parents=True)
    run = RunDirectory(folder)
    record.start(run, plan, RECIPE, RECIPE, ["recipe-run", "train", "recipe.yaml"])
    run.model.mkdir()
    for name, content in (files or {}).items():
        path = run.model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    outcome = Outcome(
        status="finished",
        run_dir=folder,
        step=10,
        total=10,
        seconds=1.0,
        metrics={"loss": 0.5, "eval_loss": 0.75},
        model=run.model,
        scored=Scored(rows=20, before=0.25, after=0.9),
    )
    record.finish(run, "finished", 0, step=10, outcome=outcome.to_json())
    return run


def adapter_files(base: str) -> dict[str, bytes]:
    """What PEFT saves of an adapter, with weights of one number."""
    config = {"base_model_name_or_path": base, "peft_type": "LORA", "r": 8}
    return {
        "adapter_config.json": json.dumps(config).encode(),
        "adapter_model.safetensors": safetensors({"lora_A": [1]}),
        "tokenizer.json": b"{}",
    }


def local_base(folder: Path) -> Path:
    """A folder that looks like a model's, as far as a plan looks."""
    base = folder / "bases" / "tiny"
    base.mkdir(parents=True)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32}
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (base / "model.safetensors").write_bytes(safetensors({"a": [1]}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (base / name).write_text("{}", encoding="utf-8")
    (base / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    return base


def safetensors(shapes: Mapping[str, Sequence[int]]) -> bytes:
    """The bytes of a safetensors file of float32 zeros: 8 bytes of length, a header, the numbers.

    Source: the format's own description in the README of safetensors.
    """
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        size = 4
        for each in shape:
            size *= each
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)
