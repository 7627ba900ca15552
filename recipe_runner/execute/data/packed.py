"""Prepared rows as the trainer reads them: slices of mapped files, never Python lists.

`Sequences` is a `datasets.Dataset`, which TRL asks for, whose rows are read another way: a
sequence is one row, or the pieces of rows that a pack is made of. Its only column is
`length`, by which transformers' samplers group sequences without reading them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from recipe_runner.execute.data.layout import (
    EVAL,
    EVAL_PACKS,
    TRAIN,
    TRAIN_PACKS,
    column,
    numbers_name,
    tokens_name,
)
from recipe_runner.plan import Plan

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

LENGTH = "length"
"""The column that samplers look for (`length_column_name` of transformers)."""


@dataclass(frozen=True)
class Tokens:
    """The rows of several files as one, read in place. Pickled as the names of the files."""

    files: tuple[Path, ...]

    def read(self, row: int, begin: int = 0, end: int | None = None) -> dict[str, Numbers]:
        """The tokens `begin` to `end` of a row, by column, without a copy."""
        chunk = int(self._first.searchsorted(row, side="right")) - 1
        within = row - int(self._first[chunk])
        found = {}
        for name, offsets, values in self._chunks[chunk]:
            start, stop = int(offsets[within]), int(offsets[within + 1])
            found[name] = values[start + begin : stop if end is None else start + end]
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self.files}

    @cached_property
    def _first(self) -> Numbers:
        """The number of the first row of each chunk."""
        import numpy as np

        sizes = [len(columns[0][1]) - 1 for columns in self._chunks]
        first: Numbers = np.cumsum([0, *sizes])[:-1]
        return first

    @cached_property
    def _chunks(self) -> list[list[tuple[str, Numbers, Numbers]]]:
        import pyarrow as pa

        return [
            [
                (name, array.offsets.to_numpy(), array.values.to_numpy())
                for name, array in zip(batch.schema.names, batch.columns, strict=True)
            ]
            for file in self.files
            for batch in pa.ipc.open_stream(pa.memory_map(str(file)))
            if batch.num_rows
        ]


@dataclass(frozen=True)
class Packs:
    """The pieces of each pack, as `packing` wrote them."""

    file: Path

    def of(self, pack: int) -> Iterator[tuple[int, int, int]]:
        """Row, begin and end of each piece of a pack."""
        starts, row, begin, end = self._columns
        for at in range(int(starts[pack]), int(starts[pack + 1])):
            yield int(row[at]), int(begin[at]), int(end[at])

    @cached_property
    def lengths(self) -> Numbers:
        """The tokens of each pack."""
        import numpy as np

        starts, _, begin, end = self._columns
        sums = np.concatenate([[0], np.cumsum(end - begin, dtype=np.int64)])
        lengths: Numbers = np.diff(sums[starts]).astype(np.int32)
        return lengths

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file}

    @cached_property
    def _columns(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        import numpy as np

        found = [column(self.file, name).combine_chunks() for name in ("row", "begin", "end")]
        if not len(found[0]):
            return np.zeros(1, np.int64), *(np.empty(0, np.int64) for _ in range(3))  # type: ignore[return-value]
        row, begin, end = (array.values.to_numpy() for array in found)
        return found[0].offsets.to_numpy(), row, begin, end


class Sequences(Dataset):
    """What the trainer draws from: `input_ids`, `labels`, `seq_lengths`, and `weights` where there are some.

    Items are numpy slices; `seq_lengths` are the lengths of the pieces that must not see
    each other. `numbers` are the rows in order where there are no `packs`, None for all.
    """

    def __init__(
        self,
        tokens: Tokens,
        lengths: Numbers,
        *,
        numbers: Numbers | None = None,
        packs: Packs | None = None,
        fingerprint: str | None = None,
    ) -> None:
        import pyarrow as pa
        from datasets.table import InMemoryTable

        table = InMemoryTable(pa.table({LENGTH: pa.array(lengths, pa.int32())}))
        super().__init__(table, fingerprint=fingerprint)
        self.tokens, self.numbers, self.packs = tokens, numbers, packs

    def __getitem__(self, key: Any) -> Any:
        """An item by its number, or the column `length`."""
        if isinstance(key, str):
            # One conversion of a column: samplers look lengths up once per comparison.
            return self._data[key].to_numpy().tolist()
        if isinstance(key, int):
            return self._item(range(len(self))[key])
        raise TypeError(f"a sequence has a number, and {key!r} is none")

    def __getitems__(self, keys: Sequence[int]) -> list[dict[str, Any]]:
        """The items of a batch."""
        return [self._item(key) for key in keys]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._item, range(len(self)))

    def _item(self, at: int) -> dict[str, Any]:
        import numpy as np

        if self.packs is None:
            row = at if self.numbers is None else int(self.numbers[at])
            found: dict[str, Any] = self.tokens.read(row)
            return {**found, "seq_lengths": [len(found["input_ids"])]}
        parts = [self.tokens.read(*piece) for piece in self.packs.of(at)]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {**joined, "seq_lengths": [len(part["input_ids"]) for part in parts]}


def training_sequences(plan: Plan, folder: Path) -> Sequences:
    """What the run trains on: the packs of prepared data, or their rows."""
    return _sequences(folder, range(len(plan.data.train)), TRAIN, TRAIN_PACKS)


def evaluation_sequences(plan: Plan, folder: Path) -> Sequences | None:
    """What the run evaluates on, None where it does not."""
    count = len(plan.data.train)
    if plan.data.eval:
        return _sequences(folder, range(count, count + len(plan.data.eval)), None, EVAL_PACKS)
    if plan.data.eval_split is not None:
        return _sequences(folder, range(count), EVAL, EVAL_PACKS)
    return None


def _sequences(folder: Path, sources: range, drawn: str | None, packed: str) -> Sequences:
    import numpy as np

    tokens = Tokens(tuple(folder / tokens_name(n) for n in sources))
    mark = f"{folder.name[:32]}-{packed.partition('.')[0]}"
    if (folder / packed).exists():
        packs = Packs(folder / packed)
        return Sequences(tokens, packs.lengths, packs=packs, fingerprint=f"{mark}-packs")
    lengths = np.concatenate([column(folder / numbers_name(n), LENGTH).to_numpy() for n in sources])
    numbers = None
    if drawn is not None and (folder / drawn).exists():
        numbers = column(folder / drawn, "indices").to_numpy()
        lengths = lengths[numbers]
    return Sequences(tokens, lengths, numbers=numbers, fingerprint=f"{mark}-rows")
