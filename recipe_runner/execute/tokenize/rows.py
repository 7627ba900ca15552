"""Examples become token ids and labels, a batch at a time.

The ids, and the labels of `completion`, `all` and of templates with generation markers,
are those of TRL's `SFTTrainer._prepare_dataset`. A row that cannot be used is returned as
its `RowProblem`, in its place: what to do about it is the caller's to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, Span
from recipe_runner.execute.tokenize.masks import both, labels_after, labels_of_spans
from recipe_runner.execute.tokenize.settings import IGNORED, Tokenized, TokenizeSettings
from recipe_runner.execute.tokenize.spans import TurnFinder
from recipe_runner.execute.tokenize.turns import special_tokens
from recipe_runner.rows import RowProblem

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerBase


def tokenize_batch(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, settings: TokenizeSettings
) -> list[tuple[Tokenized, ...] | RowProblem]:
    """Turn examples into ids and labels, one result for each, in order.

    A result has several rows only where an overlong one was split.

    Reasons of the problems: "not-an-example", "not-a-message", "tools-not-json",
    "no-chat-template", "template-refused", "no-assistant-turn", "mask-unknown",
    "no-completion", "empty-completion", "empty-text", "over-length"
    (`overlong` is drop), "over-length-refused" (it is error), "no-trained-token".
    """
    return RowTokenizer.of(tokenizer, settings)(examples)


@dataclass(frozen=True)
class _Draft:
    """A row as text, before it is encoded.

    `spans` are the characters to train on, None for no such restriction; `prompt` is the
    text whose tokens are not trained on; `special` lets the tokenizer add its own special
    tokens, which a chat template writes itself.
    """

    text: str
    spans: tuple[Span, ...] | None = None
    prompt: str | None = None
    special: bool = False


@dataclass(frozen=True)
class RowTokenizer:
    """`tokenize_batch` that keeps what it has learned about the template between batches."""

    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    _finder: TurnFinder = field(repr=False)
    _special: frozenset[int] = field(repr=False)

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, settings: TokenizeSettings) -> RowTokenizer:
        """A fast (Rust) tokenizer: the mask is made from its offsets."""
        if not tokenizer.is_fast:
            name = type(tokenizer).__name__
            raise TypeError(f"{name} is not a fast tokenizer, so it has no offsets")
        template = ChatTemplate(tokenizer, settings.chat_template)
        special = frozenset(special_tokens(tokenizer).values())
        return cls(tokenizer, settings, TurnFinder.of(template), special)

    def __call__(self, examples: Sequence[Example]) -> list[tuple[Tokenized, ...] | RowProblem]:
        rows: list[_Draft | RowProblem] = []
        for example in examples:
            try:
                rows.append(self._draft(example))
            except RowProblem as problem:
                rows.append(problem)
        drafts = [row for row in rows if isinstance(row, _Draft)]
        done = iter(self._finish(drafts))
        return [row if isinstance(row, RowProblem) else next(done) for row in rows]

    def _draft(self, example: Example) -> _Draft:
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
        raise RowProblem(
            "not-an-example", "has no `messages`, no `prompt` and `completion`, no `text`"
        )

    def _text(self, text: str) -> _Draft:
        if self.settings.loss.on != "all":
            raise RowProblem(
                "no-completion",
                f"is plain text, which has no {self.settings.loss.name} to train on",
            )
        if not text:
            raise RowProblem("empty-text", "has an empty text")
        return _Draft(self._ended(text), special=True)

    def _string_completion(self, prompt: str, completion: str) -> _Draft:
        if not completion:
            raise RowProblem("empty-completion", "has an empty completion")
        text = prompt + self._ended(completion)
        match self.settings.loss.on:
            case "completion":
                return _Draft(text, prompt=prompt, special=True)
            case "all":
                return _Draft(text, special=True)
            case _:
                raise RowProblem(
                    "no-assistant-turn", "is a prompt and a completion, not a conversation"
                )

    def _conversation(self, example: Example) -> _Draft:
        chat = self._chat(example["messages"], example)
        match self.settings.loss.on:
            case "all":
                return _Draft(self._template.render(chat, chat.messages))
            case "completion":
                raise RowProblem("no-completion", "is a conversation without a completion")
            case _:
                text, spans = self._finder.render(chat, last_only=self._last_only)
                return _Draft(text, spans=tuple(spans))

    def _chat_completion(self, example: Example, prompt: Any, completion: Any) -> _Draft:
        if not completion:
            raise RowProblem("empty-completion", "has no message in its completion")
        chat = self._chat([*prompt, *completion], example)
        loss_on = self.settings.loss.on
        if loss_on == "all":
            return _Draft(self._template.render(chat, chat.messages))
        head = self._template.render(chat, chat.messages[: len(prompt)], prompt=True)
        if loss_on == "completion":
            return _Draft(self._template.render(chat, chat.messages), prompt=head)
        text, spans = self._finder.render(chat, last_only=self._last_only)
        return _Draft(text, spans=tuple(spans), prompt=head)

    def _chat(self, messages: Any, example: Example) -> Chat:
        if not messages:
            raise RowProblem("no-assistant-turn", "has no message")
        return Chat.of(messages, example, self.settings.chat_template_kwargs)

    def _ended(self, text: str) -> str:
        """The text with the end-of-sequence token behind it, once."""
        end: str | None = self.tokenizer.eos_token
        return text if end is None or text.endswith(end) else text + end

    @property
    def _last_only(self) -> bool:
        return self.settings.loss.turns == "last"

    @property
    def _template(self) -> ChatTemplate:
        return self._finder.template

    def _finish(self, drafts: list[_Draft]) -> list[tuple[Tokenized, ...] | RowProblem]:
        wholes = self._encode(
            [draft.text for draft in drafts],
            [draft.special for draft in drafts],
            offsets=any(draft.spans is not None for draft in drafts),
        )
        prompted = [draft for draft in drafts if draft.prompt is not None]
        prompts = iter(
            self._encode(
                [draft.prompt or "" for draft in prompted],
                [draft.special for draft in prompted],
                offsets=False,
            )
        )
        return [
            self._row(draft, whole, next(prompts) if draft.prompt is not None else None)
            for draft, whole in zip(drafts, wholes, strict=True)
        ]

    def _encode(self, texts: list[str], special: list[bool], *, offsets: bool) -> list[Encoding]:
        backend = self.tokenizer.backend_tokenizer
        # What transformers sets before it encodes: a tokenizer file may switch these on.
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = self.tokenizer.split_special_tokens
        # Without offsets, encoding is faster.
        encode = backend.encode_batch if offsets else backend.encode_batch_fast
        encodings: dict[int, Encoding] = {}
        for add in (True, False):
            places = [i for i, wanted in enumerate(special) if wanted == add]
            batch = encode([texts[i] for i in places], add_special_tokens=add)
            encodings.update(zip(places, batch, strict=True))
        return [encodings[i] for i in range(len(texts))]

    def _row(
        self, draft: _Draft, whole: Encoding, prompt: Encoding | None
    ) -> tuple[Tokenized, ...] | RowProblem:
        ids: list[int] = whole.ids
        labels = (
            list(ids) if draft.spans is None else labels_of_spans(whole, draft.spans, self._special)
        )
        if prompt is not None:
            labels = both(labels, labels_after(ids, prompt.ids))
        trained = _trained(labels)
        if not trained:
            return RowProblem("no-trained-token", f"has no token to train on in its {len(ids)}")
        limit = self.settings.max_length
        if limit is None or len(ids) <= limit:
            return (Tokenized(ids, labels),)
        if self.settings.overlong != "truncate":
            drop = self.settings.overlong == "drop"
            reason = "over-length" if drop else "over-length-refused"
            return RowProblem(reason, f"has {len(ids)} tokens, above `max_length` {limit}")
        kept = (
            slice(None, limit)
            if self.settings.truncation_mode != "keep_end"
            else slice(-limit, None)
        )
        if not _trained(labels[kept]):
            return RowProblem(
                "no-trained-token",
                f"has {trained} tokens to train on, and all of them are cut off: "
                f"it has {len(ids)} tokens, above `max_length` {limit}",
            )
        return (Tokenized(ids[kept], labels[kept], len(ids) - limit),)


def _trained(labels: list[int]) -> int:
    return len(labels) - labels.count(IGNORED)
