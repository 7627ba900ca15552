"""The model and the rows of a job, made from fixed seeds; nothing is downloaded."""

from __future__ import annotations

import json
import math
import random
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.jobs import Job

_NOTHING = b"{}"
"""The header of a safetensors file without tensors."""

_ASKED = 0.3
"""Share of a row that is the question, and has no labels."""


def model_of(folder: Path, tokenizer: Path, job: Job, device: str) -> None:
    """Write the configuration of the model and the tokenizer, and weights where they are stored.

    They are drawn on `device`: a CPU takes a minute for 8 billion.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(tokenizer, folder, dirs_exist_ok=True, ignore=_weights)
    known = json.loads((tokenizer / "config.json").read_text(encoding="utf-8"))
    values = {
        **job.shape.config,
        "max_position_embeddings": max(1024, 2 * job.longest),
        "bos_token_id": None,
        "eos_token_id": known["eos_token_id"],
        "pad_token_id": known["pad_token_id"],
    }
    if job.algorithm == "reward":
        values["num_labels"] = 1
    kind = "ForSequenceClassification" if job.algorithm == "reward" else "ForCausalLM"
    names = {"llama": "Llama", "qwen3": "Qwen3"}
    values["architectures"] = [f"{names[job.shape.family]}{kind}"]
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    # A recipe is refused whose model has no weights; a file of that name with nothing in it.
    (folder / "model.safetensors").write_bytes(len(_NOTHING).to_bytes(8, "little") + _NOTHING)
    if job.stored:
        import torch

        torch.manual_seed(0)
        model = empty_model(folder, job, torch.float32, device)
        # What is quantized is read in 16 bits by all arms, and is half as much on the disk.
        model.to(torch.bfloat16 if job.bits else torch.float32).save_pretrained(folder)


def _weights(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.endswith(".safetensors")]


def empty_model(folder: Path, job: Job, dtype: Any, device: str) -> Any:
    """A model as its configuration says, made on `device`, with weights as upstream draws them."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    reward = job.algorithm == "reward"
    kind = AutoModelForSequenceClassification if reward else AutoModelForCausalLM
    with torch.device(device):
        return kind.from_config(AutoConfig.from_pretrained(folder), dtype=dtype)


def fill(model: Any) -> Any:
    """Give every matrix values that depend on its name alone, whatever its type and device.

    So models in 16 and 32 bits, drawn in any order, begin with the same numbers but for rounding.
    """
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() < 2:
                continue
            draw = torch.Generator(parameter.device).manual_seed(zlib.crc32(name.encode()))
            values = torch.empty(parameter.shape, dtype=torch.float32, device=parameter.device)
            parameter.copy_(values.normal_(0, 0.02, generator=draw))
    return model


def rows_of(job: Job, folder: Path) -> Path:
    """As many rows as the steps take: tokens with labels, texts with two answers, or prompts."""
    draw = random.Random(0)
    count = job.micro * job.accumulation * job.steps
    if job.algorithm == "grpo":
        count //= job.answers
    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(_row(job, draw)) + "\n" for _ in range(count))
    return file


def length(draw: random.Random, job: Job) -> int:
    """Tokens of a row."""
    if job.spread == 0:
        return job.longest
    drawn = round(draw.lognormvariate(math.log(job.usual), job.spread))
    return min(job.longest, max(8, drawn))


def ids(draw: random.Random, job: Job, count: int) -> list[int]:
    """Tokens at random, none of them special."""
    return [draw.randrange(*job.ids) for _ in range(count)]


def _row(job: Job, draw: random.Random) -> Mapping[str, Any]:
    if job.algorithm == "sft":
        tokens = ids(draw, job, length(draw, job))
        asked = max(1, round(len(tokens) * _ASKED))
        return {"input_ids": tokens, "labels": [-100] * asked + tokens[asked:]}
    if job.algorithm == "grpo":
        return {"prompt": words(draw, max(2, length(draw, job) // 9))}
    names = {"prompt": 9, "chosen": 4, "rejected": 4}
    # About three tokens a word.
    return {name: words(draw, max(2, length(draw, job) // part)) for name, part in names.items()}


def words(draw: random.Random, count: int) -> str:
    """Pseudo-words."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(draw.choices(letters, k=draw.randint(2, 7))) for _ in range(count))


def read(file: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a file of JSON lines."""
    for line in file.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)
