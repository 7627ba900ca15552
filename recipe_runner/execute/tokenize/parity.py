"""Compares what the model is asked at inference with what it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, Messages, shared_length
from recipe_runner.execute.tokenize.sentinels import stand_in
from recipe_runner.execute.tokenize.settings import TokenizeSettings
from recipe_runner.execute.tokenize.spans import TurnFinder
from recipe_runner.rows import RowProblem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHOWN = 40


def first_mismatch(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, settings: TokenizeSettings
) -> str | None:
    """Where a prompt and the generation prompt part from the trained conversation.

    The prompt is everything before the last assistant turn. None means that it is a prefix,
    in text and in tokens; otherwise a sentence that quotes both sides. Raises `RowProblem`
    where the template refuses either.
    """
    template = ChatTemplate(tokenizer, settings.chat_template)
    chat = Chat.of(messages, {}, settings.chat_template_kwargs)
    turns = chat.assistant_turns
    if not turns or turns[-1] == 0:
        return None
    whole = template.render(chat, chat.messages)
    prompt = template.render(chat, chat.messages[: turns[-1]], prompt=True)
    at = shared_length(whole, prompt)
    if at < len(prompt):
        return (
            f"after {prompt[max(0, at - _SHOWN) : at]!r} the prompt goes on with "
            f"{prompt[at : at + _SHOWN]!r}, the trained conversation with "
            f"{whole[at : at + _SHOWN]!r}"
        )
    whole_ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    shared = shared_length(whole_ids, prompt_ids)
    if shared < len(prompt_ids):
        return (
            f"the prompt's last tokens are {tokenizer.decode(prompt_ids[shared:])!r}, and the "
            f"trained conversation merges them with its answer: "
            f"{tokenizer.decode(whole_ids[shared : shared + 4])!r}"
        )
    return None


def trained_turn_end(tokenizer: PreTrainedTokenizerBase, settings: TokenizeSettings) -> str | None:
    """What is trained right after an answer in the middle of a conversation.

    "" means that nothing is: the model does not learn to end its turn. None where the
    template refuses a plain conversation or its mask is unknown.
    """
    template = ChatTemplate(tokenizer, settings.chat_template)
    question = {"role": "user", "content": stand_in(0)}
    answer = {"role": "assistant", "content": stand_in(1)}
    messages = [question, answer, {"role": "user", "content": stand_in(2)}]
    try:
        chat = Chat.of(messages, {}, settings.chat_template_kwargs)
        text, spans = TurnFinder.of(template).render(chat, last_only=False)
    except RowProblem:
        return None
    trained = "".join(text[start:end] for start, end in spans)
    return trained.partition(stand_in(1))[2]
