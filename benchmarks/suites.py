"""The suites of `benchmarks.gpu`: one device, arms in turn, a budget in seconds for each.

`python -m benchmarks.suites DEVICE TOKENIZER WORK SUITES [--tiny]` runs them in one process and
prints a JSON line per result, one where a suite begins and one where it ends. With `--tiny` the
same functions run with small models and few steps, so that they run on a CPU too.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import kernels
from benchmarks.arms import Bench, Refused
from benchmarks.flops import flops_per_token
from benchmarks.jobs import BASELINE, LLAMA_8B, OURS, QWEN_0_6B, QWEN_1_7B, SMALL, Arm, Job

Lines = Iterator[dict[str, Any]]

TUNED = "raw TRL, tuned"
_REPEATS = 3
"""Turns of all arms at most, where the budget lasts."""

_DISK = 20 * 2**30
"""Bytes that the checkpoint of an 8B model needs, with some to spare."""


@dataclass(frozen=True)
class Place:
    """Where a suite runs: `until`, of `time.monotonic`, its budget is used."""

    device: str
    tokenizer: Path
    folder: Path
    tiny: bool
    seconds: float
    until: float

    @property
    def tight(self) -> bool:
        """True on a card that does not hold twice the activations of an 8B model."""
        if self.device == "cpu":
            return False
        import torch

        return bool(torch.cuda.get_device_properties(0).total_memory < 100 * 2**30)


@dataclass(frozen=True)
class Suite:
    """What is measured, for how many seconds at most."""

    about: str
    seconds: float
    run: Callable[[Place], Lines]


def main(device: str, tokenizer: str, work: str, names: Sequence[str], tiny: bool) -> None:
    """Run the suites in turn; each line says to which it belongs."""
    from recipe_runner.execute.environment import hush

    hush()
    for name in names:
        suite = SUITES[name]
        tell(suite=name, begins=True)
        folder = Path(work) / name
        folder.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + suite.seconds
        place = Place(device, Path(tokenizer), folder, tiny, suite.seconds, until)
        begun = time.monotonic()
        for line in suite.run(place):
            tell(suite=name, **line)
        tell(suite=name, ends=True, seconds=time.monotonic() - begun)


def tell(**line: Any) -> None:
    """Print a line at once, so that it is there if the process is not later on."""
    print(json.dumps(line), flush=True)


def turns(job: Job, arms: Sequence[Arm], place: Place, repeats: int = _REPEATS) -> Lines:
    """The arms in turn, as often as the budget lasts; the first turn names what it left out."""
    job = small(job) if place.tiny else job
    if place.tight and job.micro % 2 == 0 and job.spread == 0:
        # The same rows in a step.
        job = replace(job, micro=job.micro // 2, accumulation=job.accumulation * 2)
    bench = Bench(job, place.folder, place.tokenizer, place.device)
    repeats = 1 if place.tiny else repeats
    longest = 0.0
    for repeat in range(repeats):
        for arm in arms:
            begun = time.monotonic()
            if begun + longest > place.until:
                if repeat:
                    return
                yield {"job": job.name, "arm": arm.name, "left_out": "the budget is used"}
                continue
            yield {"repeat": repeat, **attempt(bench, arm, place)}
            # An arm is begun where the longest one so far would still end in time.
            longest = max(longest, time.monotonic() - begun)


def attempt(bench: Bench, arm: Arm, place: Place) -> dict[str, Any]:
    """A run of an arm, with its operations per second; why there is none, where memory ended."""
    import torch

    try:
        found = bench.run(arm, until=place.until)
    except (torch.OutOfMemoryError, Refused) as error:
        return {"job": bench.job.name, "arm": arm.name, "left_out": str(error).splitlines()[0]}
    seen = found["squares"] / max(1, found["real_tokens"])
    flops = flops_per_token(bench.job, seen) * found["real_tokens"] / found["wall_seconds"]
    return {**found, "tflops": flops / 1e12}


def small(job: Job) -> Job:
    """The same job with little to do, for any tokenizer."""
    shape = replace(
        SMALL,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        head_dim=16,
        family=job.shape.family,
        tie_word_embeddings=job.shape.tie_word_embeddings,
    )
    rows = min(job.micro, 2)
    less: dict[str, Any] = {
        "micro": rows,
        "longest": 48,
        "usual": 16,
        "warm_up": 1,
        "steps": 3,
        "ids": (10, 300),
    }
    return replace(job, shape=shape, **less)


def _four(tuned: dict[str, Any], weights: str) -> tuple[Arm, ...]:
    """Raw TRL as it comes and as somebody who knows it would set it, and ours."""
    attention = _flash()
    by_hand = {"activation_checkpointing": False, **tuned}
    if attention is not None:
        by_hand["attn_implementation"] = attention
    return (
        Arm("raw", BASELINE),
        Arm("ours", OURS, weights=weights),
        Arm("raw", TUNED, by_hand, weights=weights),
        Arm("ours", "ours, off", speed="off", weights=weights),
    )


def _flash() -> str | None:
    """Flash attention by its package, where it is installed; else PyTorch's own."""
    from transformers.utils import is_flash_attn_2_available

    return "flash_attention_2" if is_flash_attn_2_available() else None


_FIXED: dict[str, Any] = {"adapter": True, "spread": 0, "longest": 4096, "stored": False}
_VARIED: dict[str, Any] = {"usual": 480, "longest": 2048, "stored": False, "warm_up": 3, "steps": 8}


def _lora_fixed(place: Place) -> Lines:
    job = Job("8B.lora.fixed", "sft", LLAMA_8B, 10, micro=2, warm_up=5, **_FIXED)
    yield from turns(job, _four({}, "bfloat16"), place)


def _lora_varied(place: Place) -> Lines:
    job = Job("8B.lora.var", "sft", LLAMA_8B, micro=8, accumulation=2, adapter=True, **_VARIED)
    by_hand = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 8}
    packed = Arm("ours", "ours, packed", packing="bfd", rows=False, weights="bfloat16")
    yield from turns(job, (*_four({} if place.tiny else by_hand, "bfloat16"), packed), place)


def _full_varied(place: Place) -> Lines:
    job = Job("1.7B.full.var", "sft", QWEN_1_7B, micro=4, accumulation=4, **_VARIED)
    yield from turns(job, _four({}, "float32"), place)


def _full_small(place: Place) -> Lines:
    job = Job("0.6B.full", "sft", QWEN_0_6B, 10, micro=8, spread=0, longest=2048, warm_up=5)
    yield from turns(replace(job, stored=False), _four({}, "float32"), place)


def _qlora(place: Place) -> Lines:
    name = "8B.qlora"
    if not importlib.util.find_spec("bitsandbytes"):
        yield {"job": name, "left_out": "bitsandbytes is not installed"}
        return
    if not place.tiny and shutil.disk_usage(place.folder).free < _DISK:
        yield {"job": name, "left_out": f"{place.folder} has less than 20 GiB for a checkpoint"}
        return
    job = Job(name, "sft", LLAMA_8B, 7, micro=2, warm_up=3, **{**_FIXED, "longest": 2048})
    job = replace(job, bits=4, stored=True)
    _, ours, tuned, _ = _four({}, "bfloat16")
    yield from turns(job, (tuned, ours), place)


def _head(place: Place) -> Lines:
    yield from kernels.heads(place.device, place.tiny, place.seconds / 2)
    # One thin layer: what is left is the embedding, the head and the loop.
    shape = replace(LLAMA_8B, vocab_size=151_936, intermediate_size=512, num_hidden_layers=1)
    job = Job("head", "sft", shape, 10, micro=4, warm_up=3, **{**_FIXED, "longest": 2048})
    _, ours, tuned, off = _four({}, "bfloat16")
    yield from turns(job, (tuned, ours, off), place)


def _long(place: Place) -> Lines:
    """Twice as long each time, until memory or the budget ends; TRL checkpoints, ours as it likes."""
    arms = [
        Arm("raw", "raw TRL, bfloat16", weights="bfloat16"),
        Arm("ours", OURS, weights="bfloat16"),
    ]
    length = 64 if place.tiny else 8192
    last = 128 if place.tiny else 2**20
    while arms and length <= last:
        job = Job(f"8B.long.{length}", "sft", LLAMA_8B, 3, micro=1, **_FIXED)
        job = replace(small(job) if place.tiny else job, longest=length)
        bench = Bench(job, place.folder, place.tokenizer, place.device)
        for arm in list(arms):
            if time.monotonic() > place.until:
                yield {"job": job.name, "arm": arm.name, "left_out": "the budget is used"}
                return
            found = attempt(bench, arm, place)
            yield {"repeat": 0, **found}
            if "left_out" in found:
                arms.remove(arm)
        length *= 2


def _calibrate(place: Place) -> Lines:
    yield from kernels.calibrated(place.device, place.tiny, place.seconds * 0.7)


SUITES = {
    "h0": Suite("what the device gives at most", 20, _calibrate),
    "h1": Suite("8B, LoRA, rows of 4,096 tokens", 100, _lora_fixed),
    "h2": Suite("8B, LoRA, rows of very different length", 100, _lora_varied),
    "h3": Suite("1.7B in full, rows of very different length", 70, _full_varied),
    "h4": Suite("0.6B in full, rows of 2,048 tokens", 50, _full_small),
    "h5": Suite("8B in 4 bits, LoRA", 90, _qlora),
    "h6": Suite("the loss head alone", 30, _head),
    "h7": Suite("the longest row, by doubling", 60, _long),
}
"""By the names of `shared/facts/perf.md`; h8, the error of the plan, is a column of all others."""


if __name__ == "__main__":
    _, device_, tokenizer_, work_, names_, *more_ = sys.argv
    main(device_, tokenizer_, work_, names_.split(","), "--tiny" in more_)
