"""Golden rows: made by hand of a person, compared before every training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from recipe_runner import __version__
from recipe_runner.diagnostics import Diagnostic, Place
from recipe_runner.execute.data.key import tokenizer_digest
from recipe_runner.execute.preview.codes import GOLDEN_DIFFERS
from recipe_runner.execute.preview.desk import Desk
from recipe_runner.execute.preview.difference import Difference, difference_of
from recipe_runner.execute.preview.row import PreviewRow
from recipe_runner.plan import Plan
from recipe_runner.rows import RowProblem
from recipe_runner.rows.golden import (
    TOKENIZER,
    Golden,
    GoldenRow,
    Run,
    changes,
    content_of,
    depends_on,
    golden_path,
    hashes_of_files,
    named,
    tokens_of,
)

_LIBRARIES = ("tokenizers", "transformers")


@dataclass(frozen=True)
class Comparison:
    """The golden rows that differ, and what they depend on that has changed.

    `dated` says that the chat template may write the date, which is another one tomorrow.
    """

    rows: int
    differences: tuple[Difference, ...]
    changed: tuple[str, ...]
    dated: bool = False


def make(desk: Desk, rows: int) -> Golden:
    """Golden rows of a plan: `rows` of them, spread over the first thousand of each data set."""
    return Golden(
        tuple(row for place, numbers in _spread(desk, rows) for row in _rows(desk, place, numbers)),
        _depends_on(desk),
        {"recipe_runner": __version__, **{name: version(name) for name in _LIBRARIES}},
    )


def compare(desk: Desk, golden: Golden) -> Comparison:
    """Make the golden rows again and compare their tokens."""
    differences: list[Difference] = []
    places = {name: place for place, (name, _) in enumerate(named(desk.plan.data))}
    for name in dict.fromkeys(row.source for row in golden.rows):
        then = [row for row in golden.rows if row.source == name]
        numbers = [row.row for row in then]
        now = {}
        if name in places:
            now = {row.row: row for row in _rows(desk, places[name], numbers)}
        differences += filter(
            None, (difference_of(row, now.get(row.row), desk.tokenizer) for row in then)
        )
    changed = changes(golden.depends_on, _depends_on(desk))
    template = desk.plan.tokenizer.chat_template or desk.tokenizer.chat_template
    dated = isinstance(template, str) and "strftime_now" in template
    return Comparison(len(golden.rows), tuple(differences), changed, dated)


def diagnostic(found: Comparison, plan: Plan) -> Diagnostic:
    """RR451 for the rows that differ; there must be some."""
    first = found.differences[0]
    more = len(found.differences) - 1
    words = f"row {first.row.row} of `{first.row.path}` {first.words}"
    if more:
        words += f"; {more} more of {found.rows} golden rows differ"
    if found.changed:
        words += f"; since then {'; '.join(found.changed)}"
    recipe = plan.recipe_path
    help = (
        f"`recipe-run preview {recipe} --golden --diff` shows all of it; where the change is "
        f"meant, write the rows again with `recipe-run preview {recipe} --golden`"
    )
    if found.dated:
        help += "; the chat template may write the date: see `tokenizer.chat_template_kwargs`"
    return Diagnostic(GOLDEN_DIFFERS, words, Place(str(golden_path(recipe))), help)


def _spread(desk: Desk, rows: int) -> Iterator[tuple[int, list[int]]]:
    """Places and numbers of rows."""
    places = range(len(named(desk.plan.data)))
    for place in places:
        count = rows // len(places) + (place < rows % len(places))
        numbers = desk.spread(place, count)
        if numbers:
            yield place, numbers


def _rows(desk: Desk, place: int, numbers: Sequence[int]) -> Iterator[GoldenRow]:
    name, source = named(desk.plan.data)[place]
    contents = _contents(desk, place, set(numbers))
    lens = desk.lens(place)
    for outcome in desk.outcomes(place, numbers):
        number = outcome.where.number
        parts = lens.rows(outcome)
        problem = parts[0].problem
        head = GoldenRow(name, source.path, number, contents[number])
        if problem is not None:
            yield _replaced(head, problem=problem.reason)
            continue
        yield _replaced(head, **_tokens(parts))


def _replaced(row: GoldenRow, **values: Any) -> GoldenRow:
    return GoldenRow(**{**vars(row), **values})


def _tokens(parts: Sequence[PreviewRow]) -> dict[str, Any]:
    """What a row became; the parts of one that was split follow each other."""
    ids: list[int] = []
    weights: list[float] = []
    runs: list[Run] = []
    for part in parts:
        for piece in part.pieces:
            if piece.cut:
                continue
            ids += piece.ids
            weights += [piece.weight] * len(piece.ids)
            if runs and runs[-1].weight == piece.weight:
                runs[-1] = Run(runs[-1].text + piece.text, piece.weight)
            else:
                runs.append(Run(piece.text, piece.weight))
    return {
        "count": len(ids),
        "tokens": tokens_of(ids, weights),
        "text": tuple(runs),
        "ids": " ".join(map(str, ids)),
    }


def _contents(desk: Desk, place: int, numbers: set[int]) -> dict[int, str]:
    rows = desk.bench(place).reader.rows
    found = {}
    for chunk in rows.chunks:
        if any(chunk.start < number <= chunk.stop for number in numbers):
            for where, row in rows.read(chunk):
                if where.number in numbers:
                    found[where.number] = "" if isinstance(row, RowProblem) else content_of(row)
    return found


def _depends_on(desk: Desk) -> dict[str, Any]:
    plan, tokenizer = desk.plan.tokenizer, desk.tokenizer
    template = plan.chat_template or tokenizer.chat_template
    folder = Path(plan.name_or_path)
    found = depends_on(
        desk.plan.data,
        template=template if isinstance(template, str) else None,
        kwargs=plan.chat_template_kwargs,
        special_tokens=plan.special_tokens,
        add_tokens=plan.add_tokens,
        tokenizer_files=hashes_of_files(folder) if folder.is_dir() else {},
    )
    return {**found, TOKENIZER: tokenizer_digest(tokenizer)[:16]}
