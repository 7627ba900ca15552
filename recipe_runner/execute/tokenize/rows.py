"""Examples become token ids and labels, a batch at a time.

The ids, and the labels of `completion`, `all` and of templates with generation markers,
are those of TRL's `SFTTrainer._prepare_dataset`. A row that cannot be used is returned as
its `RowProblem`, in its place: what to do about it is the caller's to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate
from recipe_runner.execute.tokenize.cutting import cut, shortest_that_fits, split
from recipe_runner.execute.tokenize.drafts import Draft, Drafter, Ready
from recipe_runner.execute.tokenize.masks import both, labels_after, labels_of_spans, weights_of
from recipe_runner.execute.tokenize.settings import Tokenized, TokenizeSettings
from recipe_runner.execute.tokenize.spans import TurnFinder
from recipe_runner.execute.tokenize.trained import Chooser
from recipe_runner.execute.tokenize.turns import special_tokens
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import IGNORED

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerBase


def tokenize_batch(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, settings: TokenizeSettings
) -> list[tuple[Tokenized, ...] | RowProblem]:
    """Turn examples into ids and labels, one result for each, in order.

    A result has several rows only where an overlong one was split.

    Reasons of the problems: "not-an-example", "not-a-message", "tools-not-json",
    "no-chat-template", "template-refused", "no-assistant-turn", "no-trained-turn",
    "mask-unknown", "train-spans-do-not-fit", "no-completion", "empty-completion",
    "empty-text", "token-not-in-vocabulary", "labels-do-not-fit", "over-length"
    (`overlong` is drop), "over-length-refused" (it is error), "no-trained-token".
    """
    return RowTokenizer.of(tokenizer, settings)(examples)


@dataclass(frozen=True)
class RowTokenizer:
    """`tokenize_batch` that keeps what it has learned about the template between batches."""

    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    _drafter: Drafter = field(repr=False)
    _special: frozenset[int] = field(repr=False)

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, settings: TokenizeSettings) -> RowTokenizer:
        """A fast (Rust) tokenizer: the mask is made from its offsets."""
        if not tokenizer.is_fast:
            name = type(tokenizer).__name__
            raise TypeError(f"{name} is not a fast tokenizer, so it has no offsets")
        template = ChatTemplate(tokenizer, settings.chat_template)
        finder = TurnFinder.of(template, settings.loss.end_of_turn_tokens)
        chooser = Chooser(finder, settings.loss)
        drafter = Drafter(chooser, settings, tokenizer.eos_token, len(tokenizer))
        special = frozenset(special_tokens(tokenizer).values())
        return cls(tokenizer, settings, drafter, special)

    def __call__(self, examples: Sequence[Example]) -> list[tuple[Tokenized, ...] | RowProblem]:
        drafts: list[Draft | Ready | RowProblem] = []
        for example in examples:
            try:
                drafts.append(self._drafter(example))
            except RowProblem as problem:
                drafts.append(problem)
        texts = [draft for draft in drafts if isinstance(draft, Draft)]
        encoded = iter(self._encode_drafts(texts))
        results: list[tuple[Tokenized, ...] | RowProblem] = []
        for draft in drafts:
            match draft:
                case RowProblem():
                    results.append(draft)
                case Ready(ids, labels):
                    results.append(self._fitted(Tokenized(ids, labels), None))
                case Draft():
                    results.append(self._fitted(next(encoded), draft))
        return results

    def _encode_drafts(self, drafts: list[Draft]) -> list[Tokenized]:
        wholes = self._encode(
            [draft.text for draft in drafts],
            [draft.special for draft in drafts],
            offsets=any(draft.spans is not None or draft.factors for draft in drafts),
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
            self._masked(draft, whole, next(prompts) if draft.prompt is not None else None)
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

    def _masked(self, draft: Draft, whole: Encoding, prompt: Encoding | None) -> Tokenized:
        ids: list[int] = whole.ids
        labels = (
            list(ids) if draft.spans is None else labels_of_spans(whole, draft.spans, self._special)
        )
        if prompt is not None:
            labels = both(labels, labels_after(ids, prompt.ids))
        weights = None
        if draft.factors:
            weights = weights_of(whole, draft.factors, self._special, labels)
        return Tokenized(ids, labels, weights=weights)

    def _fitted(self, row: Tokenized, draft: Draft | None) -> tuple[Tokenized, ...] | RowProblem:
        count, limit, overlong = (
            len(row.input_ids),
            self.settings.max_length,
            self.settings.overlong,
        )
        trained = _trained(row)
        if not trained:
            return RowProblem("no-trained-token", f"has no token to train on in its {count}")
        if limit is None or count <= limit:
            return (row,)
        if overlong == "split":
            return split(row, limit)
        if overlong != "truncate":
            reason = "over-length" if overlong == "drop" else "over-length-refused"
            return RowProblem(reason, f"has {count} tokens, above `max_length` {limit}")
        kept = self._shortened(row, draft, limit)
        if not _trained(kept):
            return RowProblem(
                "no-trained-token",
                f"has {trained} tokens to train on, and all of them are cut off: "
                f"it has {count} tokens, above `max_length` {limit}",
            )
        lost = max(1, count - len(kept.input_ids))
        return (Tokenized(kept.input_ids, kept.labels, lost, kept.weights),)

    def _shortened(self, row: Tokenized, draft: Draft | None, limit: int) -> Tokenized:
        mode = self.settings.truncation_mode
        shorter = None
        if mode == "keep_answer" and draft is not None and draft.chat is not None:
            shorter = shortest_that_fits(
                draft.chat, draft.first, limit, self._render, self._drafter.trains_after
            )
        return cut(shorter or row, limit, mode, self.tokenizer.bos_token_id)

    def _render(self, chat: Chat, first: int) -> Tokenized | None:
        try:
            draft = self._drafter.of_chat(chat, first)
        except RowProblem:
            # What the template refuses without its beginning is cut by tokens.
            return None
        [row] = self._encode_drafts([draft])
        return row if _trained(row) else None


def _trained(row: Tokenized) -> int:
    return len(row.labels) - row.labels.count(IGNORED)
