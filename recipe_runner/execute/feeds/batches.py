"""What makes batches of prepared rows, for trainers whose own collator expects another form.

Letters in shapes: B rows of a batch, P tokens of the longest prompt, T of the longest sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.sft.collator import Collator
from recipe_runner.plan import Plan
from recipe_runner.plan.joined import joins_rows
from recipe_runner.rows.answers import IGNORED

if TYPE_CHECKING:
    import torch

Batch = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]


def batches_of(plan: Plan, tokenizer: Any) -> Callable[[Rows], Batch] | None:
    """The collator of the plan's feed, None where the trainer's own takes the rows as they are."""
    multiple = plan.arguments.arguments.get("pad_to_multiple_of")
    pad = tokenizer.pad_token_id
    match plan.feed:
        case "sequences" | "steps":
            return Collator(pad, joined=joins_rows(plan), pad_to_multiple_of=multiple)
        case "answered_sequences":
            answered = AnsweredSequences(Collator(pad, pad_to_multiple_of=multiple), pad)
            other = plan.arguments.arguments.get("use_uld_loss")
            return ReadByAnother(answered, tokenizer) if other else answered
        case "whole_pairs":
            return WholePairs(pad, multiple)
        case "labelled_pairs":
            return LabelledPairs(pad)
    return None


@dataclass(frozen=True)
class AnsweredSequences:
    """Sequences with the prompt before their first trained token beside them.

    Beside `input_ids`, `labels` and `attention_mask` of shape [B, T] there are `prompts` and
    `prompt_attention_mask` [B, P], filled on the left, to be answered anew.
    Source: `trl.experimental.utils.DataCollatorForChatML`.
    """

    sequences: Collator
    pad_token_id: int

    def __call__(self, rows: Rows) -> Batch:
        prompts = []
        for row in rows:
            labels = list(row["labels"])
            first = next((n for n, label in enumerate(labels) if label != IGNORED), len(labels))
            prompts.append(list(row["input_ids"][:first]))
        ids, mask = filled(prompts, self.pad_token_id, left=True)
        return {**self.sequences(rows), "prompts": ids, "prompt_attention_mask": mask}


@dataclass(frozen=True)
class ReadByAnother:
    """Answered sequences with their texts, for a teacher that has another tokenizer.

    `byte_offsets` [B, T, 2] say which bytes of the answer each of its tokens is, 0 elsewhere.
    Source: `trl.experimental.utils.DataCollatorForChatML` and `trl.experimental.gold`.
    """

    answered: AnsweredSequences
    tokenizer: Any

    def __call__(self, rows: Rows) -> Batch:
        import torch

        batch = self.answered(rows)
        prompts, answers, offsets = [], [], []
        width = batch["input_ids"].shape[1]
        for row in rows:
            ids, labels = list(row["input_ids"]), list(row["labels"])
            first = next((n for n, label in enumerate(labels) if label != IGNORED), len(labels))
            prompts.append(self._text(ids[:first]))
            answers.append(
                self._text([i for i, n in zip(ids, labels, strict=True) if n != IGNORED])
            )
            offsets.append(self._offsets(ids, labels, width))
        return {
            **batch,
            "original_prompt_text": prompts,
            "original_completion_text": answers,
            "byte_offsets": torch.tensor(offsets),
        }

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def _offsets(
        self, ids: Sequence[int], labels: Sequence[int], width: int
    ) -> list[tuple[int, int]]:
        from trl.experimental.gold.gold_trainer import piece_byte_len

        found, at = [], 0
        for token, label in zip(ids, labels, strict=True):
            if label == IGNORED:
                found.append((0, 0))
                continue
            size = piece_byte_len(self.tokenizer.convert_ids_to_tokens([int(token)])[0])
            found.append((at, at + size))
            at += size
        return found + [(0, 0)] * (width - len(found))


@dataclass(frozen=True)
class WholePairs:
    """Both answers behind their prompt, the chosen ones first: [2 B, T].

    Source: `trl.trainer.reward_trainer.DataCollatorForPreference`.
    """

    pad_token_id: int
    pad_to_multiple_of: int | None = None

    def __call__(self, rows: Rows) -> Batch:
        import torch

        wholes = [
            [*row["prompt_ids"], *row[answer]]
            for answer in ("chosen_ids", "rejected_ids")
            for row in rows
        ]
        ids, mask = filled(wholes, self.pad_token_id, multiple=self.pad_to_multiple_of)
        margins = torch.tensor([row["margin"] for row in rows], dtype=torch.float32)
        return {"input_ids": ids, "attention_mask": mask, "margin": margins}


@dataclass(frozen=True)
class LabelledPairs:
    """Both answers behind their prompt, each with labels that leave the prompt out: [B, T] each.

    Source: `trl.experimental.utils.DPODataCollatorWithPadding`.
    """

    pad_token_id: int

    def __call__(self, rows: Rows) -> Batch:
        batch: Batch = {}
        prompts = [list(row["prompt_ids"]) for row in rows]
        batch["prompt_input_ids"], batch["prompt_attention_mask"] = filled(
            prompts, self.pad_token_id, left=True
        )
        for name in ("chosen", "rejected"):
            answers = [list(row[f"{name}_ids"]) for row in rows]
            wholes = [[*p, *a] for p, a in zip(prompts, answers, strict=True)]
            labels = [[IGNORED] * len(p) + a for p, a in zip(prompts, answers, strict=True)]
            ids, mask = filled(wholes, self.pad_token_id)
            batch[f"{name}_input_ids"], batch[f"{name}_attention_mask"] = ids, mask
            batch[f"{name}_labels"] = filled(labels, IGNORED)[0]
        return batch


def filled(
    sequences: Sequence[Sequence[int]],
    value: int,
    *,
    left: bool = False,
    multiple: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sequences at one length, filled up with `value`, and a mask that is 0 there."""
    import torch

    unit = multiple or 1
    length = -(-max(map(len, sequences)) // unit) * unit
    ids = torch.full((len(sequences), length), value, dtype=torch.long)
    mask = torch.zeros((len(sequences), length), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        place = slice(length - len(sequence), length) if left else slice(0, len(sequence))
        ids[row, place] = torch.tensor(sequence, dtype=torch.long)
        mask[row, place] = 1
    return ids, mask
