"""Texts that tell whether two models are the same, and what they compute of them.

Legend of shapes: T tokens of a text, V tokens of the vocabulary.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SAMPLES = (
    "The capital of France is Paris, isn't it? They've said so since 1789.",
    "def f(x):\n    return x ** 2  # 3.14159, 1,000,000\n\n\n\tprint(f(10))",
    "Größe, naïve café, Привет мир, 你好世界, こんにちは, 🙂🙂, x² ≠ y₁",
    "   three spaces,\ttab, and a line\r\nbreak   ",
)
"""Texts with what tokenizers treat differently: numbers, signs, white space, other scripts."""

SYSTEM = {"role": "system", "content": "Answer in one word."}
"""A turn without which some chat templates take no question."""

LONGEST = 512
"""Tokens that are compared of a text, at most."""


@dataclass(frozen=True)
class Distance:
    """How far logits are apart: as a share of their spread, and how many best tokens are equal.

    `apart` is infinite where a logit is no finite number.
    """

    apart: float
    equal: int
    count: int

    def away(self, whose: str) -> str:
        """In words, such as `1.20% of their spread from those of the model; ...`."""
        if math.isinf(self.apart):
            return f"not all finite numbers, here or in {whose}"
        return (
            f"{self.apart:.2%} of their spread from those of {whose}; "
            f"{self.equal} of {self.count} next tokens are the same"
        )


def texts_for(tokenizer: Any) -> list[str]:
    """The samples, and a prompt in the model's own words where its chat template takes one."""
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        return list(SAMPLES)
    asked = {"role": "user", "content": "What is 2 + 2?"}
    for turns in ([asked], [SYSTEM, asked]):
        # transformers raises ValueError where none of several templates is the default.
        with contextlib.suppress(TemplateError, TypeError, ValueError):
            prompt = tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
            return [*SAMPLES, prompt]
    return list(SAMPLES)


def logits(model: Any, rows: Sequence[Sequence[int]]) -> list[Any]:
    """What `model` computes of each row of tokens: float32[T, V]."""
    import torch

    model.eval()
    with torch.no_grad():
        return [
            model(torch.tensor([list(row)], device=model.device)).logits[0].float().cpu().numpy()
            for row in rows
        ]


def distance(first: Sequence[Any], second: Sequence[Any]) -> Distance:
    """The distance of `second` from `first`, that of the text where it is largest."""
    import numpy as np

    apart, equal, count = 0.0, 0, 0
    for one, other in zip(first, second, strict=True):
        apart = max(apart, _share(float(np.sqrt(np.mean((one - other) ** 2))), float(one.std())))
        equal += int((one.argmax(-1) == other.argmax(-1)).sum())
        count += len(one)
    return Distance(apart, equal, count)


def _share(error: float, spread: float) -> float:
    """The error as a share of the spread, infinite where it is NaN: `max` would pass over that."""
    if error == 0:
        return 0.0
    share = error / spread if spread else math.inf
    return share if math.isfinite(share) else math.inf
