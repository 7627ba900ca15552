"""How tokens are chosen, and the answers to a batch of prompts.

Legend of shapes: B prompts of one batch, T prompt tokens after padding, N new tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen: the likeliest at `temperature` 0, else drawn.

    `top_p` is the share of the probability, in (0, 1], whose tokens are drawn from.
    `max_new_tokens` ends an answer that does not end itself.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __str__(self) -> str:
        if self.temperature == 0:
            return "greedy"
        parts = [f"temperature {self.temperature:g}"]
        parts += [f"top_p {self.top_p:g}"] if self.top_p < 1 else []
        return ", ".join([*parts, f"seed {self.seed}"])


def generation_config(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sampling: Sampling
) -> GenerationConfig:
    """A generation config of its own, so that the model's settings for sampling stay out.

    Raises ValueError where the tokenizer has neither a padding nor an end-of-sequence token.
    """
    from transformers import GenerationConfig

    own = model.generation_config
    ends = own.eos_token_id if own is not None else None
    stop = {ends} if isinstance(ends, int) else set(ends or ())
    if tokenizer.eos_token_id is not None:
        stop.add(int(tokenizer.eos_token_id))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(stop, default=None)
    if pad is None:
        raise ValueError("the tokenizer has neither a padding nor an end-of-sequence token")
    # transformers would draw from the 50 likeliest only.
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return GenerationConfig(
        do_sample=sampling.temperature > 0,
        num_beams=1,
        max_new_tokens=sampling.max_new_tokens,
        pad_token_id=pad,
        eos_token_id=sorted(stop) or None,
        bos_token_id=own.bos_token_id if own is not None else None,
        **(drawn if sampling.temperature > 0 else {}),
    )


def answer_ids(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig,
    **more: Any,
) -> list[list[int]]:
    """The new tokens of each prompt of one batch, up to the one that ends the answer.

    `more` goes to `generate` of transformers, such as a streamer.
    """
    import torch

    longest = max(len(ids) for ids in prompts)
    gaps = [longest - len(ids) for ids in prompts]
    # Padding goes to the left here whatever the tokenizer says: an answer continues its prompt.
    padded = [
        [config.pad_token_id] * gap + list(ids) for gap, ids in zip(gaps, prompts, strict=True)
    ]
    mask = [[0] * gap + [1] * len(ids) for gap, ids in zip(gaps, prompts, strict=True)]
    input_ids = torch.tensor(padded, device=model.device)  # int64[B, T]
    attention_mask = torch.tensor(mask, device=model.device)  # int64[B, T]
    output = model.generate(  # int64[B, T + N]
        input_ids=input_ids, attention_mask=attention_mask, generation_config=config, **more
    )
    ends = set(config.eos_token_id or ())
    return [_ended(row, ends) for row in output[:, longest:].tolist()]


def _ended(ids: list[int], ends: set[int]) -> list[int]:
    """The tokens with the first that ends the answer, and without the padding behind it."""
    for position, token in enumerate(ids):
        if token in ends:
            return ids[: position + 1]
    return ids


@contextmanager
def for_generation(model: PreTrainedModel) -> Iterator[None]:
    """Put the model in evaluation mode without gradients, and put every module's mode back."""
    import torch

    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
