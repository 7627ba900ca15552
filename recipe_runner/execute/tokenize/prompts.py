"""A prompt that is answered while the run goes: its tokens are counted, and the row is kept.

The trainer renders the prompt on its own when it generates; the tokens here are the same,
so that prompts that are too long are known before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate
from recipe_runner.execute.tokenize.settings import Tokenized, TokenizeSettings
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class PromptRow(Tokenized):
    """A prompt; `item` is what stays of the row, as JSON.

    It is a list of two: the names of the row's columns, which are found so without reading
    the rest, and a mapping with `prompt`, `columns` and `chat_template_kwargs`.
    """

    item: str = "[[], {}]"


@dataclass(frozen=True)
class PromptTokenizer:
    """Tokenizes prompts, texts or messages.

    A prompt cannot be cut, because half a question is another question: one above
    `max_length` is dropped where `overlong` is drop, and refused otherwise.
    Reasons of the problems: "template-refused", "no-chat-template", "over-length",
    "over-length-refused", "not-json".
    """

    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    _template: ChatTemplate = field(repr=False)

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, settings: TokenizeSettings) -> PromptTokenizer:
        return cls(tokenizer, settings, ChatTemplate(tokenizer, settings.chat_template))

    def __call__(self, examples: Sequence[Example]) -> list[tuple[Tokenized, ...] | RowProblem]:
        results: list[tuple[Tokenized, ...] | RowProblem] = []
        for example in examples:
            try:
                results.append((self._row(example),))
            except RowProblem as problem:
                results.append(problem)
        return results

    def _row(self, example: Example) -> PromptRow:
        prompt = example["prompt"]
        variables: Mapping[str, Any] = {}
        if isinstance(prompt, str):
            ids: list[int] = self.tokenizer(prompt)["input_ids"]
        else:
            chat = Chat.of(prompt, example, self.settings.chat_template_kwargs)
            variables = chat.kwargs
            text = self._template.render(chat, chat.messages, prompt=True)
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        limit = self.settings.max_length
        if limit is not None and len(ids) > limit:
            dropped = self.settings.overlong == "drop"
            raise RowProblem(
                "over-length" if dropped else "over-length-refused",
                f"has {len(ids)} tokens in its prompt, above `max_length` {limit}",
            )
        return PromptRow(ids, [IGNORED] * len(ids), 0, None, _item(example, variables))


def _item(example: Example, variables: Mapping[str, Any]) -> str:
    """The prompt with the row's other columns, for the trainer and for rewards.

    `variables` of the chat template go with it, because not every trainer has an option for
    them; those that have none look into the row.
    """
    columns = dict(example.get("columns", {}))
    for name in ("tools", "chat_template_kwargs"):
        if name in example:
            columns[name] = example[name]
    item = {
        "prompt": example["prompt"],
        "columns": columns,
        "chat_template_kwargs": dict(variables),
    }
    try:
        return json.dumps([list(columns), item], ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise RowProblem("not-json", f"has a value that is no JSON: {error}") from None
