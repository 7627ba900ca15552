"""Prompts as tokens, and how many of them a model takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Message = Mapping[str, Any]
"""One turn: `role` and `content`, and what else the chat template reads."""


_HALF = re.compile(r"[\ud800-\udfff]")


class PromptRefused(Exception):
    """The chat template does not take these turns; the text is the template's own reason."""


def is_halved(text: str) -> bool:
    """True where `text` has half of a character, which JSON can name and UTF-8 has no bytes for."""
    return _HALF.search(text) is not None


def prompt_ids(
    tokenizer: PreTrainedTokenizerBase, prompt: Sequence[Message], variables: Mapping[str, Any]
) -> list[int]:
    """The tokens of a conversation, and of the start of an answer to it.

    Raises `PromptRefused` where the chat template does.
    """
    from jinja2 import TemplateError

    try:
        ids = tokenizer.apply_chat_template(
            [dict(message) for message in prompt],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=False,
            **variables,
        )
    except (TemplateError, TypeError) as error:
        raise PromptRefused(str(error)) from error
    return [int(token) for token in ids]


def text_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The tokens of a plain text that the model is to continue."""
    # The text continues: the token that ends one would be in the way.
    ids = [int(token) for token in tokenizer(text)["input_ids"]]
    return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids


@dataclass(frozen=True)
class Room:
    """Tokens that a model reads at once, prompt and answer together; None where nothing says."""

    context: int | None

    @classmethod
    def of(cls, model: PreTrainedModel) -> Room:
        """That of `model`, by its configuration."""
        length = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        return cls(length if isinstance(length, int) and length > 0 else None)

    def for_answer(self, new_tokens: int) -> int:
        """New tokens that there is room for: up to `new_tokens`, and no more than half of it."""
        return new_tokens if self.context is None else min(new_tokens, self.context // 2)

    def for_prompt(self, new_tokens: int) -> int | None:
        """Tokens that a prompt may take before such an answer."""
        return None if self.context is None else self.context - self.for_answer(new_tokens)


def without_oldest(turns: Sequence[Message]) -> list[Message] | None:
    """The turns without their oldest exchange; the system turn and the last question stay.

    None where there is no more to leave out.
    """
    head = 1 if turns and turns[0]["role"] == "system" else 0
    questions = [n for n, turn in enumerate(turns) if n > head and turn["role"] == "user"]
    return [*turns[:head], *turns[questions[0] :]] if questions else None
