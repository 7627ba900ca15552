"""Examples become drafts: a text, and which of its characters train. No token yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize.conversation import Chat, Span
from recipe_runner.execute.tokenize.rendered import left_out
from recipe_runner.execute.tokenize.settings import TokenizeSettings
from recipe_runner.execute.tokenize.trained import Chooser, Factor
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import IGNORED, restricts, trained_messages, untrainable_turns


@dataclass(frozen=True)
class Draft:
    """A row as text, before it is encoded.

    `spans` are the characters to train on, None for no such restriction; `prompt` is the
    text whose tokens are not trained on; `special` lets the tokenizer add its own special
    tokens, which a chat template writes itself. A conversation has its `chat`, of which the
    messages from `first` on may train.
    """

    text: str
    spans: tuple[Span, ...] | None = None
    prompt: str | None = None
    special: bool = False
    factors: tuple[Factor, ...] = ()
    chat: Chat | None = None
    first: int = 0


@dataclass(frozen=True)
class Ready:
    """A row that has its tokens already."""

    ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Drafter:
    """Makes drafts of examples; `choose` knows the template and the loss."""

    choose: Chooser
    settings: TokenizeSettings
    eos_token: str | None
    vocabulary: int

    def __call__(self, example: Example) -> Draft | Ready:
        """Draft an example; raises `RowProblem` where it cannot be used."""
        if "messages" in example:
            return self._conversation(example)
        if "prompt" in example and "completion" in example:
            prompt, completion = example["prompt"], example["completion"]
            if isinstance(prompt, str) and isinstance(completion, str):
                return self._string_completion(prompt, completion)
            if isinstance(prompt, str) or isinstance(completion, str):
                raise RowProblem(
                    "not-an-example", "has a prompt and a completion that are not of one kind"
                )
            return self._chat_completion(example, prompt, completion)
        if "text" in example:
            return self._text(example["text"])
        if "segments" in example:
            return self._segments(example["segments"])
        if "input_ids" in example:
            return self._tokenized(example["input_ids"], example.get("labels"))
        raise RowProblem(
            "not-an-example",
            "has no `messages`, no `prompt` and `completion`, no `text`, no `segments`, "
            "no `input_ids`",
        )

    def of_chat(self, chat: Chat, first: int) -> Draft:
        """Draft a conversation, of which the messages from `first` on may train."""
        loss, template = self.settings.loss, self.choose.finder.template
        if loss.on == "all":
            text = template.render(chat, chat.messages)
            return Draft(text, self._until_the_end(text), chat=chat, first=first)
        head = template.render(chat, chat.messages[:first], prompt=True) if first else None
        if loss.on == "completion" and not restricts(loss, chat.given):
            text = template.render(chat, chat.messages)
            return Draft(text, prompt=head, chat=chat, first=first)
        found = self.choose(chat, first)
        return Draft(found.text, found.spans, head, False, found.factors, chat, first)

    def trains_after(self, chat: Chat, first: int) -> bool:
        """True where some message of the chat, from `first` on, may train."""
        loss = self.settings.loss
        if loss.on == "all" or (loss.on == "completion" and not restricts(loss, chat.given)):
            return True
        return bool(trained_messages(chat.given, loss, first))

    def _text(self, text: str) -> Draft:
        if self.settings.loss.on != "all":
            raise RowProblem(
                "no-completion",
                f"is plain text, which has no {self.settings.loss.name} to train on",
            )
        if not text:
            raise RowProblem("empty-text", "has an empty text")
        whole = self._ended(text)
        return Draft(whole, self._until_the_end(whole), special=True)

    def _string_completion(self, prompt: str, completion: str) -> Draft:
        if not completion:
            raise RowProblem("empty-completion", "has an empty completion")
        loss = self.settings.loss
        text = prompt + self._ended(completion)
        spans = self._until_the_end(text)
        match loss.on:
            case "completion":
                answer = (len(prompt), spans[0][1] if spans else len(text))
                factors = tuple(self.choose.matches(text, (answer,)))
                return Draft(text, spans, prompt, special=True, factors=factors)
            case "all":
                return Draft(text, spans, special=True)
            case _:
                raise RowProblem(
                    "no-assistant-turn", "is a prompt and a completion, not a conversation"
                )

    def _segments(self, segments: Sequence[Any]) -> Draft:
        text = "".join(segment["text"] for segment in segments)
        if not text:
            raise RowProblem("empty-text", "has no text in its segments")
        whole = self._ended(text)
        if self.settings.loss.on == "all":
            return Draft(whole, self._until_the_end(whole), special=True)
        spans: list[Span] = []
        position = 0
        for segment in segments:
            end = position + len(segment["text"])
            if segment["train"] and end > position:
                spans.append((position, end))
            position = end
        # The end of the sequence belongs to the last segment that has a text.
        if spans and spans[-1][1] == len(text):
            limit = self._until_the_end(whole)
            spans[-1] = (spans[-1][0], limit[0][1] if limit else len(whole))
        return Draft(whole, tuple(spans), special=True)

    def _tokenized(self, ids: Sequence[int], labels: Sequence[Any] | None) -> Ready:
        ids = list(ids)
        if not ids:
            raise RowProblem("empty-text", "has no token")
        beyond = next((i for i in ids if not 0 <= i < self.vocabulary), None)
        if beyond is not None:
            raise RowProblem(
                "token-not-in-vocabulary",
                f"has the token id {beyond}, and the tokenizer has {self.vocabulary} tokens",
            )
        if labels is None or self.settings.loss.on == "all":
            return Ready(ids, list(ids))
        labels = list(labels)
        if len(labels) != len(ids):
            raise RowProblem("labels-do-not-fit", f"has {len(labels)} labels for {len(ids)} tokens")
        for place, (label, token) in enumerate(zip(labels, ids, strict=True)):
            if label not in (IGNORED, token):
                raise RowProblem(
                    "labels-do-not-fit",
                    f"has the label {label} at token {place + 1}, which is {token}: a label is "
                    f"its token's id, or {IGNORED}",
                )
        return Ready(ids, labels)

    def _conversation(self, example: Example) -> Draft:
        chat = self._chat(example["messages"], example)
        if self.settings.loss.on == "completion":
            raise RowProblem("no-completion", "is a conversation without a completion")
        return self._judged(chat, 0)

    def _chat_completion(self, example: Example, prompt: Any, completion: Any) -> Draft:
        if not completion:
            raise RowProblem("empty-completion", "has no message in its completion")
        return self._judged(self._chat([*prompt, *completion], example), len(prompt))

    def _judged(self, chat: Chat, first: int) -> Draft:
        problem = untrainable_turns(chat.given, self.settings.loss, first)
        if problem is not None:
            raise problem
        draft = self.of_chat(chat, first)
        if self.settings.not_rendered != "keep":
            problem = left_out(chat, draft.text)
            if problem is not None:
                raise problem
        return draft

    def _chat(self, messages: Any, example: Example) -> Chat:
        if not messages:
            raise RowProblem("no-assistant-turn", "has no message")
        return Chat.of(messages, example, self.settings.chat_template_kwargs)

    def _ended(self, text: str) -> str:
        """The text with the end-of-sequence token behind it, once."""
        end = self.eos_token
        return text if end is None or text.endswith(end) else text + end

    def _until_the_end(self, text: str) -> tuple[Span, ...] | None:
        """The characters before the end-of-sequence token, where that is not to train."""
        end = self.eos_token
        if self.settings.loss.end_of_turn != "none" or end is None or not text.endswith(end):
            return None
        return ((0, len(text) - len(end)),)
