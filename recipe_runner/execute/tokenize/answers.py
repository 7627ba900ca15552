"""A prompt with answers to it becomes tokens: pairs, triples, and answers that were judged.

The ids are those of TRL's preference trainers (`DPOTrainer._prepare_dataset`): the prompt
and each whole of prompt and answer are tokenized apart, and the answers begin where their
tokens part from the prompt's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from recipe_runner.components.format import Example
from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, shared_length
from recipe_runner.execute.tokenize.rendered import left_out
from recipe_runner.execute.tokenize.settings import Tokenized, TokenizeSettings
from recipe_runner.rows import RowProblem
from recipe_runner.rows.answers import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Result = tuple[Tokenized, ...] | RowProblem


@dataclass(frozen=True)
class AnswersRow(Tokenized):
    """A prompt and the answers to it, one behind another in `input_ids`; the answers train.

    `parts` are the lengths of the prompt and of each answer, in tokens, and `names` what
    they are ("prompt", "chosen", "rejected"). `label` is True for a good answer,
    `margin` by how much the chosen one is better, 0 where the row does not say.
    """

    names: tuple[str, ...] = ()
    parts: tuple[int, ...] = ()
    label: bool = True
    margin: float = 0.0

    @property
    def length(self) -> int:
        """Tokens of the longest sequence that the model sees: the prompt with an answer."""
        return self.parts[0] + max(self.parts[1:])

    def part(self, name: str) -> list[int]:
        """The tokens of one part."""
        at = self.names.index(name)
        start = sum(self.parts[:at])
        return self.input_ids[start : start + self.parts[at]]

    @property
    def roles(self) -> list[str]:
        """What each token belongs to."""
        pairs = zip(self.names, self.parts, strict=True)
        return [name for name, count in pairs for _ in range(count)]


@dataclass(frozen=True)
class AnswersTokenizer:
    """Tokenizes examples with a prompt and the answers of `names` ("chosen", "rejected").

    `max_length` bounds the prompt with its longest answer. `keep_answer` and `keep_end` cut
    the prompt's front, for all answers alike; where an answer alone is longer,
    `keep_answer` keeps its start and `keep_end` its end. `keep_start` cuts answers only.

    Reasons of the problems beside those of `RowTokenizer`: "missing-answer".
    """

    tokenizer: PreTrainedTokenizerBase
    settings: TokenizeSettings
    names: tuple[str, ...]
    _template: ChatTemplate = field(repr=False)

    PAIR: ClassVar[tuple[str, ...]] = ("chosen", "rejected")
    TRIPLE: ClassVar[tuple[str, ...]] = ("chosen", "rejected", "reference")
    JUDGED: ClassVar[tuple[str, ...]] = ("completion",)

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        settings: TokenizeSettings,
        names: tuple[str, ...],
    ) -> AnswersTokenizer:
        return cls(tokenizer, settings, names, ChatTemplate(tokenizer, settings.chat_template))

    def __call__(self, examples: Sequence[Example]) -> list[Result]:
        results: list[Result] = []
        for example in examples:
            try:
                results.append((self._row(example),))
            except RowProblem as problem:
                results.append(problem)
        return results

    def _row(self, example: Example) -> AnswersRow:
        for name in self.names:
            if name not in example:
                raise RowProblem("missing-answer", f"has no {name} answer")
        prompt, answers = prompt_of(example, self.names)
        if isinstance(prompt, str):
            wholes = [self._encode(prompt + self._ended(answer)) for answer in answers]
            head = self._encode(prompt)
        else:
            wholes = [self._of_chat(example, prompt, answer) for answer in answers]
            chat = Chat.of(prompt, example, self.settings.chat_template_kwargs)
            text = self._template.render(chat, chat.messages, prompt=True)
            head = self._encode(text, special=False)
        count = min(shared_length(head, whole) for whole in wholes)
        row = self._cut(head[:count], [whole[count:] for whole in wholes])
        if not all(row.parts[1:]):
            empty = self.names[row.parts[1:].index(0)]
            raise RowProblem(
                "no-trained-token",
                f"has no token left of its {empty} answer: the prompt has {count} tokens, and "
                f"`max_length` is {self.settings.max_length}",
            )
        return _with(row, bool(example.get("label", True)), float(example.get("margin", 0.0)))

    def _of_chat(self, example: Example, prompt: Any, answer: Any) -> list[int]:
        chat = Chat.of([*prompt, *answer], example, self.settings.chat_template_kwargs)
        text = self._template.render(chat, chat.messages)
        if self.settings.not_rendered != "keep":
            problem = left_out(chat, text)
            if problem is not None:
                raise problem
        return self._encode(text, special=False)

    def _encode(self, text: str, *, special: bool = True) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        return ids

    def _ended(self, text: str) -> str:
        """The text with the end-of-sequence token behind it, once."""
        end = self.tokenizer.eos_token
        return text if end is None or text.endswith(end) else text + end

    def _cut(self, prompt: list[int], answers: list[list[int]]) -> AnswersRow:
        limit, mode = self.settings.max_length, self.settings.truncation_mode
        whole = len(prompt) + max(map(len, answers))
        total = len(prompt) + sum(map(len, answers))
        if limit is not None and whole > limit:
            if self.settings.overlong != "truncate":
                refused = (
                    "over-length" if self.settings.overlong == "drop" else "over-length-refused"
                )
                raise RowProblem(refused, f"has {whole} tokens, above `max_length` {limit}")
            if mode != "keep_start":
                prompt = self._without_front(prompt, whole - limit)
            room = max(0, limit - len(prompt))
            start = mode == "keep_end"
            answers = [a[max(0, len(a) - room) :] if start else a[:room] for a in answers]
        ids = [*prompt, *(token for answer in answers for token in answer)]
        labels = [IGNORED] * len(prompt) + ids[len(prompt) :]
        names = ("prompt", *self.names)
        parts = (len(prompt), *map(len, answers))
        return AnswersRow(ids, labels, total - len(ids), None, names, parts)

    def _without_front(self, prompt: list[int], excess: int) -> list[int]:
        """The prompt without `excess` tokens of its front, but with its first special token."""
        head = int(bool(prompt) and prompt[0] == self.tokenizer.bos_token_id)
        return prompt[:head] + prompt[head + excess :]


def prompt_of(example: Example, names: Sequence[str]) -> tuple[Any, list[Any]]:
    """The prompt of an example and its answers without it, texts or messages.

    Where there is none of its own, it is what all answers begin with; of messages the last is
    always an answer, and of texts a space before the answer is the answer's, as in
    `trl.data_utils.extract_prompt`.
    """
    answers: list[Any] = [example[name] for name in names]  # type: ignore[literal-required]
    if "prompt" in example:
        return example["prompt"], answers
    shared = min(shared_length(answers[0], other) for other in answers[1:])
    if isinstance(answers[0], str):
        if shared and answers[0][shared - 1] == " ":
            shared -= 1
    else:
        shared = min(shared, *(len(answer) - 1 for answer in answers))
    return answers[0][:shared], [answer[shared:] for answer in answers]


def _with(row: AnswersRow, label: bool, margin: float) -> AnswersRow:
    return AnswersRow(
        row.input_ids, row.labels, row.truncated, None, row.names, row.parts, label, margin
    )
