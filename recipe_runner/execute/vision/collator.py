"""Makes batches of prepared rows and their pictures.

Tokens and labels are those of the preparation. The processor runs again for the pixels,
and has to come to the same tokens: a picture that changed since is an error, not a
different number of features somewhere inside the model.

B: rows of a batch, T: tokens of the longest of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.fault import fault
from recipe_runner.execute.vision.codes import IMAGE_CHANGED
from recipe_runner.execute.vision.images import FOLDER, open_image
from recipe_runner.rows import RowProblem

if TYPE_CHECKING:
    import torch

_TOKENS = ("input_ids", "attention_mask")
_PER_TOKEN = ("token_type_ids", "mm_token_type_ids", "cross_attention_mask")
"""Outputs of processors with a value for each token, shape [B, T] or [B, T, ...]."""


@dataclass(frozen=True)
class VisionCollator:
    """Adds pictures to the batches of `tokens`, a collator of `input_ids` and `labels`.

    A batch has what the processor makes besides tokens: `pixel_values`, and what its model
    wants with them (`image_grid_thw`, `image_sizes`, `pixel_attention_mask`,
    `mm_token_type_ids`, ...). `prepared` is the folder of the prepared rows, `recipe` is
    named in RR467, for pictures that are not those of the preparation.
    """

    processor: Any
    tokens: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]
    prepared: Path
    recipe: str

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The batch, as tensors of torch."""
        batch = self.tokens(rows)
        seen = [place for place, row in enumerate(rows) if len(row["pictures"])]
        made = self._pictures([rows[place] for place in seen])
        shape = batch["input_ids"].shape
        for name in self._per_token:
            batch[name] = _spread(made.pop(name, None), seen, shape)
        return {**batch, **made}

    def _pictures(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if not rows:
            return {}
        texts, references = zip(*(json.loads(bytes(row["pictures"])) for row in rows), strict=True)
        try:
            images = [
                [open_image(reference, self.prepared / FOLDER) for reference in of_row]
                for of_row in references
            ]
        except RowProblem as problem:
            raise self._changed(f"a row {problem.message}") from problem
        made = self.processor(
            text=list(texts),
            images=images,
            padding=True,
            padding_side="right",
            add_special_tokens=False,
            return_tensors="pt",
        )
        for row, ids, of_row in zip(rows, made["input_ids"].tolist(), references, strict=True):
            wanted = list(row["input_ids"])
            if ids[: len(wanted)] != wanted:
                names = ", ".join(of_row)
                raise self._changed(f"the pictures of a row take another number of tokens: {names}")
        return {name: value for name, value in made.items() if name not in _TOKENS}

    def _changed(self, words: str) -> Exception:
        return fault(
            IMAGE_CHANGED,
            self.recipe,
            f"{words}; this is not what the rows were prepared from",
            f"put the picture back, or remove {self.prepared} and run again",
        )

    @cached_property
    def _per_token(self) -> tuple[str, ...]:
        """The names that the processor gives values for each token, with or without pictures."""
        made = self.processor(text=["a"], add_special_tokens=False, return_tensors="pt")
        return tuple(name for name in _PER_TOKEN if name in made)


def _spread(values: Any, seen: Sequence[int], shape: torch.Size) -> Any:
    """Values of the rows in `seen`, cut or filled with zeros to those of the whole batch."""
    import torch

    if values is None:
        return torch.zeros(shape, dtype=torch.long)
    spread = values.new_zeros((*shape, *values.shape[2:]))
    length = min(shape[1], values.shape[1])
    spread[list(seen), :length] = values[:, :length]
    return spread
