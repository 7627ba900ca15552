"""Prepared rows as the data set that a trainer takes, by the plan's feed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from recipe_runner.execute.data.layout import EVAL, TRAIN, column, numbers_name, tokens_name
from recipe_runner.execute.data.packed import LENGTH, evaluation_sequences, training_sequences
from recipe_runner.execute.rewards.batch import COLUMNS, ORIGIN, PHASE, VARIABLES, Phase
from recipe_runner.plan import Feed, Plan

if TYPE_CHECKING:
    from recipe_runner.execute.data.prepare import Prepared

_SEQUENCES: frozenset[Feed] = frozenset({"sequences", "answered_sequences", "steps"})

_READ_BY_TRAINERS = ("privileged_context",)
"""Columns of a row that trainers look for themselves. Source: `trl.experimental.sdft`, `.sdpo`."""

_JSON = json.JSONDecoder()


def training_rows(plan: Plan, prepared: Prepared) -> Any:
    """What the plan's trainer trains on."""
    if plan.feed in _SEQUENCES:
        return training_sequences(plan, prepared.folder)
    sources = range(len(plan.data.train))
    if plan.feed == "prompts":
        return Prompts.opened(plan, prepared.folder, sources, TRAIN, "train")
    rows = prepared.train
    # Its trainer takes the rows of a batch as they stand, and shuffles none.
    if plan.feed == "judged" and plan.data.shuffle:
        rows = rows.shuffle(seed=plan.seed)
    return Answers(rows) if plan.feed == "labelled_pairs" else rows


def evaluation_rows(plan: Plan, prepared: Prepared) -> Any | None:
    """What it evaluates on, None where it does not."""
    if plan.feed in _SEQUENCES:
        return evaluation_sequences(plan, prepared.folder)
    if prepared.eval is None:
        return None
    if plan.feed == "prompts":
        train, held = len(plan.data.train), len(plan.data.eval)
        sources = range(train, train + held) if held else range(train)
        return Prompts.opened(plan, prepared.folder, sources, None if held else EVAL, "eval")
    return Answers(prepared.eval) if plan.feed == "labelled_pairs" else prepared.eval


class Prompts(Dataset):
    """Prompts with the other columns of their rows, which differ from row to row.

    An item is a mapping with `prompt`, the row's `_columns`, `chat_template_kwargs`, `_row`
    (where it is from, such as "data/questions.jsonl:12") and `_phase`. All items have the
    same `_columns`, None where a row lacks one: `names`, those of the whole data set.
    They are apart because trainers take the columns of a batch from its first row, and take
    some names, such as `image`, for themselves.
    """

    def __init__(
        self,
        rows: Dataset,
        origins: Sequence[tuple[str, int]],
        names: Sequence[str],
        phase: Phase,
        fingerprint: str,
    ) -> None:
        import pyarrow as pa
        from datasets.table import InMemoryTable

        # Samplers ask for the number of rows; the items are read from `rows`.
        numbers = pa.array(range(len(origins)), pa.int32())
        super().__init__(InMemoryTable(pa.table({LENGTH: numbers})), fingerprint=fingerprint)
        self._rows, self._origins = rows, origins
        self._names, self._phase = names, phase

    @classmethod
    def opened(
        cls, plan: Plan, folder: Path, sources: range, drawn: str | None, phase: Phase
    ) -> Prompts:
        """The prompts of `sources` in the order of the file `drawn`, where there is one."""
        from datasets.table import MemoryMappedTable, concat_tables

        tables = [MemoryMappedTable.from_file(str(folder / tokens_name(n))) for n in sources]
        planned = (*plan.data.train, *plan.data.eval)
        origins = [
            (planned[number].path, row.as_py() + 1)
            for number in sources
            for row in column(folder / numbers_name(number), "row")
        ]
        rows = Dataset(concat_tables(tables), fingerprint=f"{folder.name[:32]}-prompts")
        if drawn is not None and (folder / drawn).exists():
            order = column(folder / drawn, "indices").to_numpy()
            rows = rows.select(order)
            origins = [origins[at] for at in order]
        names = _names(folder / tokens_name(number) for number in sources)
        fingerprint = f"{folder.name[:32]}-{drawn or sources.start}-prompts"
        return cls(rows, origins, names, phase, fingerprint)

    def filter(self, function: Any, *_: Any, **__: Any) -> Prompts:
        """The prompts of which `function` says so, for trainers that leave some out."""
        kept = [at for at in range(len(self)) if function(self._item(at))]
        origins = [self._origins[at] for at in kept]
        fingerprint = f"{self._fingerprint}-{len(kept)}"
        return Prompts(self._rows.select(kept), origins, self._names, self._phase, fingerprint)

    def __getitem__(self, key: Any) -> Any:
        """An item by its number, or the column of lengths."""
        if isinstance(key, int):
            return self._item(range(len(self))[key])
        return super().__getitem__(key)

    def __getitems__(self, keys: Sequence[int]) -> list[dict[str, Any]]:
        """The items of a batch."""
        return [self._item(key) for key in keys]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._item, range(len(self)))

    def _item(self, at: int) -> dict[str, Any]:
        path, number = self._origins[at]
        _, found = json.loads(self._rows[at]["item"])
        columns = {**dict.fromkeys(self._names), **found["columns"]}
        read = {name: columns[name] for name in _READ_BY_TRAINERS if name in columns}
        return {
            "prompt": found["prompt"],
            **read,
            VARIABLES: found[VARIABLES],
            COLUMNS: columns,
            ORIGIN: f"{path}:{number}",
            PHASE: self._phase,
        }


def _names(files: Iterable[Path]) -> list[str]:
    """The columns that any row has, in the order in which they come."""
    found: dict[str, None] = {}
    known = "?"  # how the item of the row above begins; most rows have the same columns
    for file in files:
        for chunk in column(file, "item").chunks:
            for item in chunk.to_pylist():
                if not item.startswith(known):
                    names, end = _JSON.raw_decode(item, 1)
                    known = item[:end]
                    found.update(dict.fromkeys(names))
    return list(found)


class Answers(Dataset):
    """Prompts with answers, for trainers that walk all rows before they train.

    TRL's CPO and ORPO trainers render, tokenize and cut each row on their own; here that has
    been done, so `map` has nothing left to do.
    """

    def __init__(self, rows: Dataset) -> None:
        super().__init__(rows.data, indices_table=rows._indices, fingerprint=rows._fingerprint)

    def map(self, *_: Any, **__: Any) -> Answers:
        """The same rows."""
        return self
