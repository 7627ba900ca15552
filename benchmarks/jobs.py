"""What is trained in `benchmarks.speed` and `benchmarks.gpu`: models, rows and steps.

A job says nothing of a device, so the same one runs on a CPU, where it is small, and on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

IN_32_BITS, IN_16_BITS = (1e-5, 1e-4), (2e-3, 2e-2)
"""How far losses may be apart, over a few steps, and gradients in parts of their length."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder of the kind `family`, in the words of its `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    tie_word_embeddings: bool = False
    family: str = "llama"

    @property
    def config(self) -> Mapping[str, Any]:
        """The part of `config.json` that is about sizes."""
        values = vars(self).copy()
        return {"model_type": values.pop("family"), **values}


SMALL = Shape(4096, 256, 688, 4, 4, 2, 64)
LLAMA_8B = Shape(128_256, 4096, 14_336, 32, 32, 8, 128)
"""Llama 3.1 8B."""
QWEN_1_7B = Shape(151_936, 2048, 6144, 28, 16, 8, 128, tie_word_embeddings=True, family="qwen3")
QWEN_0_6B = Shape(151_936, 1024, 3072, 28, 16, 8, 128, tie_word_embeddings=True, family="qwen3")


@dataclass(frozen=True)
class Job:
    """What is trained. `must` and `goal` are ratios to raw TRL that are aimed at, 0 for none.

    `micro` rows go through the model at once in a padded arm, `accumulation` times for a step.
    Lengths are log-normal around `usual` tokens with `spread`, `longest` at most; a spread of 0
    makes all rows `longest`. The first `warm_up` of `steps` are not counted. With `bits`, the
    base is quantized by bitsandbytes. `stored` weights are read from a checkpoint; others are
    drawn on the device, because reading 16 GB would take longer than what is measured. `answers`
    are those to a prompt, in GRPO. With `more_arms` rows are also grouped by length, and packed.
    `ids` bounds the tokens that rows are drawn from.
    """

    name: str
    algorithm: str
    shape: Shape
    steps: int
    must: float = 0
    goal: float = 0
    adapter: bool = False
    micro: int = 8
    accumulation: int = 1
    spread: float = 0.9
    usual: int = 60
    longest: int = 256
    quick: bool = False
    warm_up: int = 1
    bits: int | None = None
    stored: bool = True
    answers: int = 4
    more_arms: bool = False
    ids: tuple[int, int] = (300, 4000)

    @property
    def max_length(self) -> int:
        """Tokens of a row at most, in the trainers: nothing is cut."""
        return 2 * self.longest if self.algorithm != "sft" else self.longest


@dataclass(frozen=True)
class Arm:
    """A way to train a job: raw TRL with `options`, or ours with `speed` and `packing`.

    `rows` is False where its steps have other rows than those of the other arms. Losses are
    compared among arms with the same `weights`, which is the type that weights are loaded in.
    """

    tool: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    speed: Any = "auto"
    packing: str | None = None
    rows: bool = True
    weights: str = "float32"


BASELINE = "raw TRL, defaults"
OURS = "ours, auto"


JOBS = (
    Job("full-4k", "sft", SMALL, 5, 3, 4.5, quick=True, more_arms=True),
    Job("grpo", "grpo", SMALL, 4, 1.5, 2.5, quick=True),
    Job("lora-4k", "sft", SMALL, 4, 3, 5, adapter=True),
    Job("exact-40", "sft", SMALL, 3, 2.3, 2.6, micro=8, accumulation=2),
    Job("exact-70", "sft", SMALL, 3, 1.25, 1.6, micro=2, accumulation=8),
    Job("dpo", "dpo", SMALL, 3, 1.5, 2.5),
    Job("reward", "reward", SMALL, 4, 1.5, 2.5),
    Job("full-32k", "sft", replace(SMALL, vocab_size=32_768), 3, 5, 9),
)
"""Where time is short the last ones are left out."""


def arms_of(job: Job) -> tuple[Arm, ...]:
    """The arms of a job on a CPU; all load weights in float32, TRL's default."""
    tuned: Mapping[str, Any] = {"activation_checkpointing": False}
    arms = [Arm("raw", BASELINE), Arm("raw", "raw TRL, tuned", tuned)]
    if job.more_arms:
        by_length = {**tuned, "train_sampling_strategy": "group_by_length"}
        arms.append(Arm("raw", "raw TRL, by length", by_length, rows=False))
    arms += [Arm("ours", "ours, off", speed="off"), Arm("ours", OURS)]
    if job.more_arms:
        arms.append(Arm("ours", "ours, packed", packing="bfd", rows=False))
    return tuple(arms)
