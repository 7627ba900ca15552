"""Reads the columns of prepared data and works out their figures; looks at no token."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.data.duplicates import first_of_equal, marks_of
from recipe_runner.execute.data.layout import TRAIN, column, numbers_name
from recipe_runner.execute.data.receipt import Receipt
from recipe_runner.execute.data.repeats import NOTHING, Repeats
from recipe_runner.execute.data.shares import Folder, shares
from recipe_runner.execute.stats.figures import Copies, DataStats, SourceStats
from recipe_runner.execute.stats.filling import MOST, drawn, filling
from recipe_runner.execute.stats.lengths import COMMON, Cuts, histogram, is_wide, percentiles
from recipe_runner.plan import DeduplicatePlan, Plan

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

_OVER_LENGTH = "over-length"


def measure(plan: Plan, prepared: Folder, receipt: Receipt, *, context: int | None) -> DataStats:
    """The figures of the data of `plan` that were prepared into a folder.

    `context` is the longest input of the model in tokens, None where it is not known.
    """
    data = plan.data
    lengths, trained, tokens = _whole_lengths(plan, prepared.folder)
    cuts = Cuts(lengths)
    suggestion = cuts.suggested(context)
    limits = _limits(int(lengths.max()), data.max_length, context, suggestion.max_length)
    mixed = drawn(lengths, data.seed)
    batch = plan.steps.per_device
    near = data.deduplicate is not None and data.deduplicate.method == "near"
    return DataStats(
        recipe=plan.recipe_path,
        max_length=data.max_length,
        context=context,
        overlong=data.overlong,
        packing=data.packing,
        batch=batch,
        comparison="near" if near else "exact",
        train_rows=receipt.train_rows,
        eval_rows=receipt.eval_rows,
        rows=cuts.rows,
        tokens=cuts.tokens,
        mean=cuts.tokens / cuts.rows,
        trained_share=trained / max(1, tokens),
        unknown=sum(
            dropped.rows
            for source in receipt.sources
            for dropped in source.dropped
            if dropped.reason == _OVER_LENGTH and source.role == "train"
        ),
        percentiles=percentiles(lengths),
        histogram=histogram(lengths),
        logarithmic=is_wide(lengths),
        cuts=cuts.table(limits),
        filling=tuple(filling(mixed, limit, batch) for limit in sorted(limits)),
        sampled=MOST if len(lengths) > MOST else None,
        suggestion=suggestion,
        sources=_sources(plan, prepared, receipt),
    )


def _whole_lengths(plan: Plan, folder: Path) -> tuple[Numbers, int, int]:
    """The length in full of each different row that trains, and its tokens that train, and all.

    The pieces of a split row add up to it. Tokens are counted after truncation.
    """
    import numpy as np

    sources = range(len(plan.data.train))
    columns = {
        name: np.concatenate([_numbers(folder, number, name) for number in sources])
        for name in ("length", "truncated", "trained")
    }
    used: Numbers = np.ones(len(columns["length"]), bool)
    if (folder / TRAIN).exists():
        used[:] = False
        for chunk in column(folder / TRAIN, "indices").chunks:
            used[chunk.to_numpy().astype(np.int64)] = True
    heads = _heads(folder, sources)
    # The pieces of a row train together or not at all.
    starts = np.flatnonzero(heads)
    whole = np.add.reduceat(columns["length"].astype(np.int64) + columns["truncated"], starts)
    kept = used[starts]
    trained = int(columns["trained"][used].sum(dtype=np.int64))
    return whole[kept], trained, int(columns["length"][used].sum(dtype=np.int64))


def _heads(folder: Path, sources: Sequence[int]) -> Numbers:
    """True for the first piece of each row of a source."""
    import numpy as np

    found = []
    for number in sources:
        rows = _numbers(folder, number, "row")
        found.append(np.concatenate([np.ones(min(1, len(rows)), bool), rows[1:] != rows[:-1]]))
    heads: Numbers = np.concatenate(found)
    return heads


def _limits(
    longest: int, recipe: int | None, context: int | None, suggested: int
) -> dict[int, tuple[str, ...]]:
    """The lengths to look at: common ones up to the first that cuts nothing, and ours."""
    shown = [limit for limit in COMMON if limit < 2 * longest and limit <= (context or limit)]
    notes: dict[int, tuple[str, ...]] = dict.fromkeys(shown, ())
    for limit, note in (
        (suggested, "suggested"),
        (recipe, "recipe"),
        (context if context is not None and context < 2 * longest else None, "context"),
    ):
        if limit is not None:
            notes[limit] = (*notes.get(limit, ()), note)
    return notes


def _sources(plan: Plan, prepared: Folder, receipt: Receipt) -> tuple[SourceStats, ...]:
    given = dict(enumerate(shares(plan, prepared)))
    copies = _copies(plan, prepared.folder, [source.rows for source in receipt.sources])
    found = []
    for number, source in enumerate(receipt.sources):
        share = given.get(number)
        found.append(
            SourceStats(
                path=source.path,
                role=source.role,
                read=source.read,
                rows=source.used,
                tokens=source.tokens,
                trained_tokens=source.trained_tokens,
                epoch_rows=share.rows if share else 0,
                epoch_tokens=share.tokens if share else 0,
                share=share.share if share else 0.0,
                longest=source.longest,
                truncated_rows=source.truncated_rows,
                truncated_tokens=source.truncated_tokens,
                dropped=source.dropped,
                copies=copies[number],
                repeated=source.repeated,
            )
        )
    return tuple(found)


def _copies(plan: Plan, folder: Path, lengths: Sequence[int]) -> list[Copies]:
    """Rows of equal content within, before and across sources; pieces of a row count once."""
    import numpy as np

    train = len(plan.data.train)
    repeats = Repeats(folder, lengths, train, DeduplicatePlan(), folder)
    starts = [0, *accumulate(lengths)]
    heads = _heads(folder, range(len(lengths)))
    first = repeats.among_training()
    leaked = np.full(repeats.trained, NOTHING)
    if plan.data.eval:
        leaked = repeats.of_evaluation(np.arange(repeats.trained))
    found = []
    for number, (begin, end) in enumerate(pairwise(starts)):
        counted = heads[begin:end]
        if number < train:
            here = first[begin:end][counted]
            found.append(
                Copies(
                    within=int((here >= begin).sum()),
                    across=int(((here != NOTHING) & (here < begin)).sum()),
                    evaluated=int((leaked[begin:end][counted] != NOTHING).sum()),
                )
            )
            continue
        own = first_of_equal(marks_of(folder, [number])[counted])
        found.append(Copies(int((own != np.arange(len(own))).sum()), 0, 0))
    return found


def _numbers(folder: Path, number: int, name: str) -> Numbers:
    values: Numbers = column(folder / numbers_name(number), name).to_numpy()
    return values
