"""Scores a model by what it answers: greedy answers, compared with the expected ones.

Legend of shapes: B conversations of one batch, T prompt tokens after padding, N new tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

Message = Mapping[str, Any]
"""One turn: `role` and `content`, and what else the chat template reads."""

Conversation = Sequence[Message]
"""Turns in order."""


@dataclass(frozen=True)
class Answer:
    """What a model answered to `prompt`, and what it should have answered."""

    prompt: tuple[Message, ...]
    expected: str
    answer: str

    @property
    def correct(self) -> bool:
        """True where the answer equals the expected one but for white space around them."""
        return self.answer.strip() == self.expected.strip()


@dataclass(frozen=True)
class Score:
    """Answers to conversations, in the order of the conversations."""

    rows: tuple[Answer, ...]

    @property
    def accuracy(self) -> float:
        """The fraction of correct answers, in [0, 1]; 0 where there are no answers."""
        return sum(row.correct for row in self.rows) / max(1, len(self.rows))


def exact_match(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Conversation],
    *,
    max_new_tokens: int,
    batch_size: int = 64,
    chat_template_kwargs: Mapping[str, Any] | None = None,
) -> Score:
    """Let `model` answer the last assistant turn of each conversation and compare.

    The prompt is every turn before that one, then the generation prompt; turns after it
    are not used. `chat_template_kwargs` are those that the model was trained with. Decoding
    is greedy, `batch_size` conversations at a time. The model's
    mode, its generation config and the tokenizer's settings are left as they were.

    Raises ValueError where a conversation has no assistant turn, and where the tokenizer
    has neither a padding nor an end-of-sequence token.
    """
    tasks = [_split(number, row) for number, row in enumerate(rows, start=1)]
    variables = chat_template_kwargs or {}
    prompts = [_prompt_ids(tokenizer, prompt, variables) for prompt, _ in tasks]
    config = _greedy(model, tokenizer, max_new_tokens)
    # Prompts of similar length share a batch: less padding, the same answers.
    order = sorted(range(len(tasks)), key=lambda index: len(prompts[index]))
    answers = [""] * len(tasks)
    with _for_generation(model):
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            texts = _generate(model, tokenizer, [prompts[index] for index in batch], config)
            for index, text in zip(batch, texts, strict=True):
                answers[index] = text
    return Score(
        tuple(
            Answer(prompt, expected, answer)
            for (prompt, expected), answer in zip(tasks, answers, strict=True)
        )
    )


def _split(number: int, row: Conversation) -> tuple[tuple[Message, ...], str]:
    """The turns before the last assistant turn, and that turn's content."""
    for index in range(len(row) - 1, -1, -1):
        if row[index]["role"] == "assistant":
            return tuple(row[:index]), str(row[index]["content"])
    raise ValueError(f"conversation {number} has no assistant turn")


def _prompt_ids(
    tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], variables: Mapping[str, Any]
) -> list[int]:
    ids = tokenizer.apply_chat_template(
        [dict(message) for message in prompt],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=False,
        **variables,
    )
    return [int(token) for token in ids]


def _greedy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_new_tokens: int
) -> GenerationConfig:
    """A generation config of its own, so that the model's settings for sampling stay out."""
    from transformers import GenerationConfig

    own = model.generation_config
    ends = own.eos_token_id if own is not None else None
    stop = {ends} if isinstance(ends, int) else set(ends or ())
    if tokenizer.eos_token_id is not None:
        stop.add(int(tokenizer.eos_token_id))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(stop, default=None)
    if pad is None:
        raise ValueError("the tokenizer has neither a padding nor an end-of-sequence token")
    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        pad_token_id=pad,
        eos_token_id=sorted(stop) or None,
        bos_token_id=own.bos_token_id if own is not None else None,
    )


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig,
) -> list[str]:
    """Decode greedy answers for one batch; special tokens are left out of the text."""
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
        input_ids=input_ids, attention_mask=attention_mask, generation_config=config
    )
    return list(tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True))


@contextmanager
def _for_generation(model: PreTrainedModel) -> Iterator[None]:
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
