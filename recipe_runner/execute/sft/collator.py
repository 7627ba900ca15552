"""Makes batches of sequences: padded, or joined into one row without padding.

B: sequences of a batch, T: tokens of a row, N: pieces (documents) of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.tokenize import IGNORED

if TYPE_CHECKING:
    import numpy as np
    import torch

    Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Collator:
    """Makes the batches of one trainer.

    Padded: `input_ids`, `labels`, `attention_mask` of shape [B, T], filled on the right to
    the longest sequence or to a multiple of `pad_to_multiple_of`.

    With `joined`, all pieces stand in one row of shape [1, T]: `position_ids` begin again
    with each piece, `cu_seq_lens_q` and `cu_seq_lens_k` [N + 1] are the borders and
    `max_length_q` and `max_length_k` the longest piece, by the names that attention kernels
    for variable lengths take (`FlashAttentionKwargs` of transformers). The first token of a
    piece has no label: what comes before it is another document.

    Sequences are mappings with `input_ids` and `labels`, numpy arrays or lists, with
    `weights` where tokens are weighted, and `seq_lengths` where they have several pieces.
    """

    pad_token_id: int
    joined: bool = False
    pad_to_multiple_of: int | None = None

    def __call__(self, sequences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The batch, as tensors of torch."""
        return self._join(sequences) if self.joined else self._pad(sequences)

    def _pad(self, sequences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        lengths = [len(sequence["input_ids"]) for sequence in sequences]
        shape = (len(sequences), self._rounded(max(lengths)))
        batch = {}
        for name, fill in self._columns(sequences[0]):
            filled: Numbers = np.full(shape, fill, np.float32 if name == "weights" else np.int64)
            for row, sequence, length in zip(filled, sequences, lengths, strict=True):
                row[:length] = sequence[name]
            batch[name] = torch.from_numpy(filled)
        mask = np.arange(shape[1]) < np.asarray(lengths)[:, None]
        batch["attention_mask"] = torch.from_numpy(mask.astype(np.int64))
        return batch

    def _join(self, sequences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        lengths = np.concatenate([_pieces(sequence) for sequence in sequences])
        total = int(lengths.sum())
        rest = self._rounded(total) - total
        if rest:
            lengths = np.append(lengths, rest)
        borders = np.concatenate([[0], np.cumsum(lengths)])
        batch: dict[str, Any] = {}
        for name, fill in self._columns(sequences[0]):
            kind = np.float32 if name == "weights" else np.int64
            parts = [np.asarray(sequence[name], kind) for sequence in sequences]
            batch[name] = np.concatenate([*parts, np.full(rest, fill, kind)])
        batch["labels"][borders[:-1]] = IGNORED
        batch["position_ids"] = np.arange(borders[-1]) - np.repeat(borders[:-1], lengths)
        found = {name: torch.from_numpy(values)[None] for name, values in batch.items()}
        cut: torch.Tensor = torch.from_numpy(borders.astype(np.int32))
        longest = int(lengths.max())
        return {
            **found,
            "cu_seq_lens_q": cut,
            "cu_seq_lens_k": cut,
            "max_length_q": longest,
            "max_length_k": longest,
        }

    def _columns(self, sequence: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        """The columns with a value per token, and what fills them up."""
        yield "input_ids", self.pad_token_id
        yield "labels", IGNORED
        if "weights" in sequence:
            yield "weights", 0

    def _rounded(self, length: int) -> int:
        unit = self.pad_to_multiple_of or 1
        return -(-length // unit) * unit


def _pieces(sequence: Mapping[str, Any]) -> Numbers:
    import numpy as np

    lengths = sequence.get("seq_lengths")
    found: Numbers = np.asarray(
        [len(sequence["input_ids"])] if lengths is None else lengths, np.int64
    )
    return found
