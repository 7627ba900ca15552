"""Packs: which rows, or pieces of rows, share a sequence.

A stage of preparation. It looks at lengths only and writes, for each pack, the pieces that
it is made of; tokens are not copied. Packs depend on the lengths, their order and
`max_length`, and are filled from all rows, not from a thousand at a time.

Memory is a few numbers per row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recipe_runner.execute.data.layout import (
    EVAL,
    EVAL_PACKS,
    TRAIN,
    TRAIN_PACKS,
    arrow_writer,
    column,
    numbers_name,
)
from recipe_runner.execute.data.receipt import PackReceipt, Role
from recipe_runner.plan import DataPlan, Plan

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Numbers = np.ndarray[Any, Any]

_AT_ONCE = 1 << 16
"""Packs per record batch, and numbers that are Python's own at a time."""


class Pieces(NamedTuple):
    """Parts of rows, by pack: those of pack p are at `starts[p]` to `starts[p + 1]`.

    `row` is a number of a row, `begin` and `end` are tokens in it.
    """

    starts: Numbers
    row: Numbers
    begin: Numbers
    end: Numbers


def pack(plan: Plan, folder: Path) -> dict[Role, PackReceipt]:
    """Write the packs of training and evaluation rows into `folder`, where the plan packs.

    `folder` holds what `arrange` and the tokenizing pass wrote. Returns what was packed.
    """
    data, count = plan.data, len(plan.data.train)
    found: dict[Role, PackReceipt] = {}
    if data.packing is not None:
        found["train"] = _write(data, data.packing, folder, range(count), TRAIN, TRAIN_PACKS)
    if data.eval_packing is not None and data.has_eval:
        last = count + len(data.eval)
        sources, drawn = (range(count, last), None) if data.eval else (range(count), EVAL)
        found["eval"] = _write(data, data.eval_packing, folder, sources, drawn, EVAL_PACKS)
    return found


def pieces_of(strategy: str, lengths: Numbers, capacity: int) -> Pieces:
    """Pack rows of `lengths` into sequences of at most `capacity` tokens.

    Rows are numbered by their place in `lengths`. `bfd` puts the longest row first, each
    where it leaves the least room; `bfd_split` cuts longer rows into pieces before that;
    `wrapped` cuts the rows as they come, one after the other. Packs are in the order of
    their first rows, and so are the pieces of a pack.
    """
    if strategy == "wrapped":
        return _wrapped(lengths, capacity)
    row, begin, end = _split(lengths, capacity)
    home = _best_fit(end - begin, capacity)
    return _grouped(home, row, begin, end)


def _write(
    data: DataPlan, strategy: str, folder: Path, sources: range, drawn: str | None, name: str
) -> PackReceipt:
    import numpy as np
    import pyarrow as pa

    capacity = data.max_length
    assert capacity is not None, "packing has a length to fill"
    parts = [column(folder / numbers_name(n), "length").to_numpy() for n in sources]
    lengths = np.concatenate(parts) if parts else np.empty(0, np.int32)
    numbers = None
    if drawn is not None and (folder / drawn).exists():
        numbers = column(folder / drawn, "indices").to_numpy()
        lengths = lengths[numbers]
    found = pieces_of(strategy, lengths, capacity)
    rows = found.row if numbers is None else numbers[found.row]
    receipt = PackReceipt(
        packs=len(found.starts) - 1,
        rows=len(lengths),
        pieces=len(rows),
        tokens=int(lengths.sum(dtype=np.int64)),
        capacity=capacity,
    )
    _demand_all(receipt, found)
    schema = packs_schema()
    with ExitStack() as stack:
        writer = arrow_writer(stack, folder / name, schema)
        for first, last in _steps(receipt.packs):
            a, b = int(found.starts[first]), int(found.starts[last])
            borders = pa.array((found.starts[first : last + 1] - a).astype(np.int32))
            columns = [
                pa.ListArray.from_arrays(borders, pa.array(values[a:b], kind))
                for values, kind in (
                    (rows, pa.int64()),
                    (found.begin, pa.int32()),
                    (found.end, pa.int32()),
                )
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return receipt


def packs_schema() -> pa.Schema:
    """For each pack its pieces: the number of the row, and the tokens `begin` to `end` of it."""
    import pyarrow as pa

    return pa.schema(
        {
            "row": pa.list_(pa.field("item", pa.int64())),
            "begin": pa.list_(pa.field("item", pa.int32())),
            "end": pa.list_(pa.field("item", pa.int32())),
        }
    )


def _steps(packs: int) -> Iterator[tuple[int, int]]:
    for first in range(0, packs, _AT_ONCE):
        yield first, min(first + _AT_ONCE, packs)


def _demand_all(receipt: PackReceipt, found: Pieces) -> None:
    """Packing loses nothing: a fault of ours ends here, and not in a shorter training."""
    import numpy as np

    kept = int((found.end - found.begin).sum(dtype=np.int64))
    if kept != receipt.tokens:
        raise RuntimeError(f"packs hold {kept} tokens of {receipt.tokens}")


def _split(lengths: Numbers, capacity: int) -> tuple[Numbers, Numbers, Numbers]:
    """Rows cut into pieces of `capacity` tokens, the last one shorter: row, begin and end."""
    import numpy as np

    counts = np.maximum(1, -(-lengths // capacity)).astype(np.int64)
    row: Numbers = np.repeat(np.arange(len(lengths), dtype=np.int64), counts)
    before: Numbers = np.repeat(np.cumsum(counts) - counts, counts)
    begin = ((np.arange(len(row)) - before) * capacity).astype(np.int32)
    end = np.minimum(begin + capacity, lengths[row]).astype(np.int32)
    return row, begin, end


def _best_fit(lengths: Numbers, capacity: int) -> Numbers:
    """The pack of each piece: longest first, where the least room is left that is enough.

    The bits of `open_rooms` are the sizes of room that some pack has left, so that the
    smallest one that is enough is found without looking at packs.
    """
    import numpy as np

    home: Numbers = np.empty(len(lengths), np.int32)
    order = np.argsort(-lengths, kind="stable")
    with_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    open_rooms, packs = 0, 0
    for piece, length in _numbered(order, lengths):
        enough = open_rooms >> length
        if enough and length:
            room = length + (enough & -enough).bit_length() - 1
            candidates = with_room[room]
            chosen = candidates.pop()
            if not candidates:
                open_rooms ^= 1 << room
        else:
            room, chosen = capacity, packs
            packs += 1
        home[piece] = chosen
        left = room - length
        if left:
            with_room[left].append(chosen)
            open_rooms |= 1 << left
    return home


def _numbered(order: Numbers, values: Numbers) -> Iterator[tuple[int, int]]:
    """Each number of `order` with its value; Python's own numbers, a few thousand at a time."""
    for first in range(0, len(order), _AT_ONCE):
        part = order[first : first + _AT_ONCE]
        yield from zip(part.tolist(), values[part].tolist(), strict=True)


def _grouped(home: Numbers, row: Numbers, begin: Numbers, end: Numbers) -> Pieces:
    """Pieces by pack, packs numbered again by their first piece."""
    import numpy as np

    if not len(home):
        return Pieces(np.zeros(1, np.int64), row, begin, end)
    first: Numbers = np.empty(int(home.max()) + 1, np.int32)
    # Of several pieces of a pack the one that is written last stays: its first.
    first[home[::-1]] = np.arange(len(home) - 1, -1, -1)
    rank: Numbers = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first))
    pack_of = rank[home]
    order = np.argsort(pack_of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(pack_of))])
    return Pieces(starts, row[order], begin[order], end[order])


def _wrapped(lengths: Numbers, capacity: int) -> Pieces:
    """One stream, cut every `capacity` tokens; a row that is cut goes on in the next pack."""
    import numpy as np

    ends = np.cumsum(lengths, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    starts = ends - lengths
    cuts: Numbers = np.arange(0, total, capacity, dtype=np.int64)
    # Empty rows have no piece; every other border of a row or a pack begins one.
    borders = np.unique(np.concatenate([starts[lengths > 0], cuts]))
    row: Numbers = ends.searchsorted(borders, side="right")
    stop: Numbers = np.append(borders[1:], total)
    begin = (borders - starts[row]).astype(np.int32)
    end = (stop - starts[row]).astype(np.int32)
    by_pack: Numbers = borders.searchsorted(np.append(cuts, total))
    return Pieces(by_pack, row, begin, end)
