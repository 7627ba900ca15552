"""Answers in steps become ids with a class at the token where each step ends.

The prompt, every step and the separator are tokenized apart and joined. So the end of a
step is a token of its own whatever follows it, and a step is read alike in every answer:
a judge that reads while an answer is being written sees the same tokens. Nothing is put
between the prompt and the first step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize.settings import Tokenized, TokenizeSettings
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = list[int]

WRONG, RIGHT = 0, 1
"""The classes of a step."""


@dataclass(frozen=True)
class StepTokenizer:
    """Tokenizes prompts with the steps of an answer; a label is the class of a step, 0 or 1.

    The label stands at the last token of the separator behind a step, and where a
    separator has no token, at the last of the step itself. With `last_step_only` the last
    step of an answer has a label and the others are context. The row begins with the
    tokenizer's beginning-of-sequence token, where it has one.

    Reasons of the problems: "not-an-example", "empty-completion" (a step without a token),
    "over-length", "over-length-refused", "no-trained-token".

    Source: `trl.experimental.prm.PRMTrainer.tokenize_row` of TRL 1.12, whose ids and labels
    these are, but for steps that are too long: TRL cuts through them.
    """

    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    separator: str
    last_step_only: bool

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        settings: TokenizeSettings,
        *,
        separator: str = "\n",
        last_step_only: bool = False,
    ) -> StepTokenizer:
        """Of the settings, `max_length` and `overlong` count.

        Raises `ValueError` where overlong rows are to be split: a piece without the prompt
        cannot be judged.
        """
        if settings.overlong == "split":
            raise ValueError("steps cannot be judged without what is before them: overlong=split")
        return cls(tokenizer, settings, separator, last_step_only)

    def __call__(self, examples: Sequence[Example]) -> list[tuple[Tokenized, ...] | RowProblem]:
        """The row of each example, or why it has none, in order."""
        texts = [text for example in examples for text in _texts(example)]
        [separator, *encoded] = self._encode([self.separator, *texts])
        pieces = iter(encoded)
        results: list[tuple[Tokenized, ...] | RowProblem] = []
        for example in examples:
            own = [next(pieces) for _ in _texts(example)]
            try:
                results.append((self._row(example, own, separator),))
            except RowProblem as problem:
                results.append(problem)
        return results

    def _row(self, example: Example, pieces: list[Ids], separator: Ids) -> Tokenized:
        if not pieces:
            raise RowProblem("not-an-example", "has no `prompt`, `completions` and `labels`")
        prompt, *steps = pieces
        ends = [step + separator for step in steps]
        for number, end in enumerate(ends, 1):
            if not end:
                raise RowProblem(
                    "empty-completion", f"has no token in step {number} of its {len(ends)}"
                )
        classes = [RIGHT if label else WRONG for label in example["labels"]]
        if self.last_step_only:
            classes[:-1] = [IGNORED] * (len(classes) - 1)
        ids = self._begun(prompt)
        labels = [IGNORED] * len(ids)
        count, limit = len(ids) + sum(map(len, ends)), self.settings.max_length
        if limit is not None and count > limit and self.settings.overlong != "truncate":
            reason = "over-length" if self.settings.overlong == "drop" else "over-length-refused"
            raise RowProblem(reason, f"has {count} tokens, above `max_length` {limit}")
        for step, label in zip(ends, classes, strict=True):
            if limit is not None and len(ids) + len(step) > limit:
                break
            ids += step
            labels += [IGNORED] * (len(step) - 1) + [label]
        if labels.count(IGNORED) == len(labels):
            which = "its last step" if self.last_step_only else f"all its {len(ends)} steps"
            raise RowProblem(
                "no-trained-token",
                f"has {count} tokens, above `max_length` {limit}, and the end of {which} is cut off",
            )
        return Tokenized(ids, labels, truncated=count - len(ids))

    def _begun(self, prompt: Ids) -> Ids:
        """The prompt behind the beginning-of-sequence token, which its text may have already."""
        begin = self.tokenizer.bos_token_id
        return prompt if begin is None or prompt[:1] == [begin] else [begin, *prompt]

    def _encode(self, texts: list[str]) -> list[Ids]:
        # `verbose` would complain of texts that are longer than the model.
        encoding = self.tokenizer(texts, add_special_tokens=False, verbose=False)
        ids: list[Ids] = encoding["input_ids"]
        return ids


def _texts(example: Example) -> Iterator[str]:
    """What is tokenized apart: the prompt and the steps; nothing of another kind of example."""
    prompt = example.get("prompt")
    if isinstance(prompt, str) and "completions" in example and "labels" in example:
        yield prompt
        yield from example["completions"]
