"""Rows as the model sees them, for a terminal.

Trained tokens are green; without color they stand in ⟦brackets⟧. Whatever steers a
terminal is replaced: rows hold what anybody wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from recipe_runner.cli.layout import Line, counted, labelled, number, paint, short_path
from recipe_runner.cli.screen import visible

if TYPE_CHECKING:
    from recipe_runner.execute.preview import PreviewRow, Shown, Summary
    from recipe_runner.execute.preview.pieces import Piece
    from recipe_runner.execute.preview.row import Count

_INDENT = "  "
_RESET = "\x1b[0m"
_BREAK = "↵"
_NAMES = {"\n": f"{_BREAK}\n", "\t": "⇥", "\u200c": "\u200c", "\u200d": "\u200d"}
"""What characters without a shape are shown as; the last two join the parts of an emoji."""


class _Run(NamedTuple):
    """Characters that look alike; `weight` is 0 where they do not train."""

    text: str
    weight: float
    special: bool
    cut: bool


def page(shown: Sequence[Shown], summary: Summary, *, width: int, color: bool) -> str:
    """All rows with their numbers, and what they have in common."""
    parts = [_legend(color)]
    for group in shown:
        if len(shown) > 1 or not group.rows:
            parts.append(paint(_heading(group), "bold", color) + "\n")
        parts += [_row(row, width, color) for row in group.rows]
    parts.append(_summary(summary, width, color))
    return "\n".join(parts)


def _heading(group: Shown) -> str:
    title = group.title[0].upper() + group.title[1:]
    return title if group.rows else f"{title}: there are none"


def _legend(color: bool) -> str:
    if not color:
        return "⟦trained⟧  ⟪cut off⟫  ↵ line break\n"
    shown = (
        _styled(_Run("trained", 1.0, False, False)),
        _styled(_Run("trained special token", 1.0, True, False)),
        _styled(_Run("special token", 0.0, True, False)),
        _styled(_Run("cut off", 0.0, False, True)),
        "not trained",
    )
    return "  ".join(shown) + "\n"


def _row(row: PreviewRow, width: int, color: bool) -> str:
    head = paint(visible(title(row)), "bold", color) + "\n"
    facts = labelled(_facts(row), width, color)
    text = "".join(f"{line}\n" for line in _passages(row, width, color))
    return head + facts + (f"\n{text}" if text else "")


def title(row: PreviewRow) -> str:
    """The row's number and data set, such as `Row 7 of data/chat.jsonl`."""
    part = f", part {row.part} of {row.parts}" if row.parts > 1 else ""
    kind = " (evaluation)" if row.source.role == "eval" else ""
    return f"Row {row.where.number}{part} of {row.source.path}{kind}"


def _facts(row: PreviewRow) -> Iterator[Line]:
    if row.where.file is not None and row.where.line is not None:
        yield "at", f"{short_path(row.where.file)}:{row.where.line}"
    if row.problem is not None:
        what = "stops the run" if row.problem.outcome == "error" else "is left out"
        yield "problem", f"this row {what}: it {row.problem.message}"
        if row.problem.diagnostic is not None:
            told = row.problem.diagnostic
            # What the recipe leaves out on purpose needs no advice.
            advice = f"; {told.help}" if row.problem.outcome == "error" else ""
            yield "", f"{told.code.id} {told.code.name}{advice}"
    else:
        yield "tokens", f"{counted(row.tokens, 'token')}, {trained_text(row)}"
    if row.truncated:
        yield "truncated", f"{counted(row.truncated, 'token')} cut off"
    if row.roles:
        yield "roles", roles_text(row.roles)


def trained_text(row: PreviewRow | Summary) -> str:
    """Such as `34 trained (29%)`."""
    return f"{row.trained:,} trained ({percent(row.share)})"


def percent(share: float) -> str:
    """A share in percent; one that is not quite none or all does not say so."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{share:.0%}"


def roles_text(roles: Mapping[str, Count]) -> str:
    """Such as `template 44, user 40, assistant 34 (all trained)`."""
    return ", ".join(_role(name, count) for name, count in roles.items())


def _role(name: str, count: Count) -> str:
    if not count.trained:
        return f"{name} {count.tokens:,}"
    much = "all" if count.trained == count.tokens else f"{count.trained:,}"
    return f"{name} {count.tokens:,} ({much} trained)"


def painted(text: str, weight: float, color: bool) -> str:
    """A text on one line, as trained or not."""
    run = _Run(readable(text).replace("\n", ""), weight, False, False)
    if color:
        return _styled(run)
    return f"⟦{run.text}⟧" if weight else run.text


def _summary(summary: Summary, width: int, color: bool) -> str:
    lines: list[Line] = [
        ("rows", f"{counted(summary.rows, 'row')} shown"),
        ("tokens", f"{counted(summary.tokens, 'token')}, {trained_text(summary)}"),
    ]
    if summary.roles:
        lines.append(("roles", roles_text(summary.roles)))
    if summary.truncated_rows:
        cut = counted(summary.truncated_tokens, "token")
        lines.append(("truncated", f"{counted(summary.truncated_rows, 'row')}, by {cut}"))
    if summary.longest:
        lines.append(("longest", longest_text(summary)))
    if summary.problems:
        told = ", ".join(f"{count} {reason}" for reason, count in summary.problems.items())
        lines.append(("problems", f"{told}; not among these tokens"))
    return paint("In these rows", "bold", color) + "\n" + labelled(lines, width, color)


def longest_text(summary: Summary) -> str:
    """The longest rows by their tokens before truncation."""
    return ", ".join(
        f"{row.tokens + row.truncated:,} (row {row.where.number} of {row.source.path})"
        for row in summary.longest
    )


def _passages(row: PreviewRow, width: int, color: bool) -> Iterator[str]:
    for name, pieces in row.passages:
        if name:
            yield _INDENT + paint(f"{name}:", "bold", color)
        yield from _text(pieces, width, color)


def _text(pieces: Sequence[Piece], width: int, color: bool) -> Iterator[str]:
    """The lines of a row's text, wrapped at `width` columns, between words where it can be."""
    line: list[tuple[str, _Run]] = []
    for run in _runs(pieces, color):
        for character in run.text:
            if character == "\n":
                yield from _wrapped(line, width, color)
                line = []
            else:
                line.append((character, run))
    if line:
        yield from _wrapped(line, width, color)


def _wrapped(line: list[tuple[str, _Run]], width: int, color: bool) -> Iterator[str]:
    from rich.cells import get_character_cell_size as cells

    room = max(20, width) - len(_INDENT)
    begin = used = 0
    space = None
    for at, (character, _) in enumerate(line):
        used += cells(character)
        if used > room:
            end = space if space is not None and space > begin + (at - begin) // 2 else at
            yield _INDENT + _painted(line[begin:end], color)
            begin, space = end, None
            used = sum(cells(each) for each, _ in line[begin : at + 1])
        if character == " ":
            space = at + 1
    yield _INDENT + _painted(line[begin:], color)


def _runs(pieces: Sequence[Piece], color: bool) -> Iterator[_Run]:
    """Runs that look alike, with marks around them where there is no color."""
    before = _Run("", 0.0, False, False)
    for piece in pieces:
        run = _Run(readable(piece.text), piece.weight, piece.special is not None, piece.cut)
        yield from _marks(before, run, color)
        yield run
        before = run
    yield from _marks(before, _Run("", 0.0, False, False), color)


def _marks(before: _Run, run: _Run, color: bool) -> Iterator[_Run]:
    plain = _Run("", 0.0, False, False)
    if (before.weight, before.cut) == (run.weight, run.cut):
        return
    if not color:
        closing = ("⟧" if before.weight else "") + ("⟫" if before.cut and not run.cut else "")
        opening = ("⟪" if run.cut and not before.cut else "") + ("⟦" if run.weight else "")
        yield plain._replace(text=closing + opening)
    if run.weight not in (0.0, 1.0) and run.weight != before.weight:
        yield plain._replace(text=f"×{number(run.weight)} ")


def readable(text: str) -> str:
    """The text with its line breaks shown and kept, and what steers a terminal by its name."""
    return "".join(_NAMES.get(each) or _named(each) for each in text)


def _named(character: str) -> str:
    return character if character.isprintable() else f"<U+{ord(character):04X}>"


def _painted(line: Sequence[tuple[str, _Run]], color: bool) -> str:
    runs = (
        (run, "".join(each for each, _ in those)) for run, those in groupby(line, itemgetter(1))
    )
    return "".join(_styled(run._replace(text=text)) if color else text for run, text in runs)


def _styled(run: _Run) -> str:
    if run.cut:
        return f"\x1b[9;31m{run.text}{_RESET}"
    if run.weight:
        return f"\x1b[{'7;32' if run.special else '1;32'}m{run.text}{_RESET}"
    return f"\x1b[2;7m{run.text}{_RESET}" if run.special else run.text
