"""What a person sees of golden rows: that they were written, and how they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipe_runner.cli.layout import Line, counted, labelled, paint, short_path
from recipe_runner.cli.preview_page import painted
from recipe_runner.cli.screen import visible

if TYPE_CHECKING:
    from recipe_runner.execute.preview.difference import Difference
    from recipe_runner.execute.preview.golden import Comparison
    from recipe_runner.rows.golden import Golden, Run


def written(golden: Golden, file: str) -> str:
    """What was written."""
    used = [row for row in golden.rows if row.problem is None]
    tokens = counted(sum(row.count for row in used), "token")
    broken = len(golden.rows) - len(used)
    aside = f"; {broken} of them do not train" if broken else ""
    return (
        f"wrote {short_path(file)}: {counted(len(golden.rows), 'row')}, {tokens}{aside}\n"
        "Commit it beside the recipe: `check` and `train` compare with it.\n"
    )


def agreed(found: Comparison, file: str) -> str:
    """That nothing differs, and what has changed without an effect on these rows."""
    text = f"{counted(found.rows, 'golden row')} of {short_path(file)}: the same tokens\n"
    if found.changed:
        text += f"Changed without an effect on them: {'; '.join(found.changed)}\n"
    return text


def page(found: Comparison, file: str, *, width: int, color: bool) -> str:
    """Every difference, then and now one above the other."""
    count = f"{len(found.differences)} of {counted(found.rows, 'golden row')}"
    parts = [f"{count} of {short_path(file)} differ\n"]
    for difference in found.differences:
        row = difference.row
        title = visible(f"Row {row.row} of {row.path} ({row.source})")
        lines = list(_lines(difference, color))
        parts.append(paint(title, "bold", color) + "\n" + labelled(lines[:1], width, color))
        parts[-1] += "".join(
            paint(f"  {label:<14}", "dim", color) + f"{text}\n" for label, text in lines[1:]
        )
    if found.changed:
        changed = [("since then", change) for change in found.changed]
        parts.append(labelled(changed, width, color))
    return "\n".join(parts)


def _lines(difference: Difference, color: bool) -> Iterator[Line]:
    where = f"token {difference.token}: " if difference.token is not None else ""
    if difference.then is None or difference.now is None:
        yield "differs", f"{where}{difference.words}"
        return
    yield "differs", f"{where}{difference.words.partition(':')[0]}"
    for label, side in (("then", difference.then), ("now", difference.now)):
        yield label, f"…{painted(side.before, 0.0, False)}{_marked(side.goes_on, color)}"


def _marked(runs: Sequence[Run], color: bool) -> str:
    return "".join(painted(run.text, run.weight, color) for run in runs) or "(its end)"
