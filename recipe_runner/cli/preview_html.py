"""Rows as the model sees them, as one HTML page that needs nothing else.

No script is needed to read it, and nothing is fetched. Everything that came from the
data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from recipe_runner.cli.layout import counted, number, short_path
from recipe_runner.cli.preview_page import longest_text, percent, roles_text, title, trained_text

if TYPE_CHECKING:
    from recipe_runner.execute.preview import PreviewRow, Shown, Summary
    from recipe_runner.execute.preview.pieces import Piece

_JOINERS = "\u200c\u200d"
"""Characters that join the parts of an emoji."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render(recipe: str, shown: Sequence[Shown], summary: Summary) -> str:
    """The page."""
    place = files("recipe_runner") / "cli" / "pages"
    style = (place / "preview.css").read_text(encoding="utf-8")
    script = (place / "preview.js").read_text(encoding="utf-8")
    body = "\n".join(_group(group, heading=len(shown) > 1) for group in shown)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(recipe)}: rows as the model sees them</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(recipe)}</h1>
<p>Rows as the model sees them. Point at a token for its id.</p>
<ul class="legend">
<li><span class="t on">trained</span></li>
<li><span class="t on sp">trained special</span></li>
<li><span class="t sp">special</span></li>
<li><span class="t">not trained</span></li>
<li><span class="t cut">cut off</span></li>
</ul>
{_summary(summary)}
<form class="filter" hidden>
<input type="search" id="wanted" placeholder="Show rows that contain" aria-label="Text to look for">
<label><input type="checkbox" id="cut"> truncated</label>
<label><input type="checkbox" id="odd"> with a problem</label>
<output></output>
</form>
</header>
<main>
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""


def _summary(summary: Summary) -> str:
    lines = [
        ("Rows", counted(summary.rows, "row")),
        ("Tokens", f"{counted(summary.tokens, 'token')}, {trained_text(summary)}"),
        ("Roles", roles_text(summary.roles)),
    ]
    if summary.truncated_rows:
        cut = counted(summary.truncated_tokens, "token")
        lines.append(("Truncated", f"{counted(summary.truncated_rows, 'row')}, by {cut}"))
    lines.append(("Longest", longest_text(summary)))
    if summary.problems:
        told = ", ".join(f"{count} {reason}" for reason, count in summary.problems.items())
        lines.append(("Problems", told))
    items = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in lines if text)
    return f"<dl>{items}</dl>"


def _group(group: Shown, *, heading: bool) -> str:
    rows = "\n".join(_row(row) for row in group.rows)
    name = group.title[0].upper() + group.title[1:]
    if not group.rows:
        return f"<h2>{escape(name)}</h2>\n<p>There are none.</p>"
    return f"<h2>{escape(name)}</h2>\n{rows}" if heading else rows


def _row(row: PreviewRow) -> str:
    marks = " ".join(
        name
        for name, there in (("row", True), ("is-cut", row.truncated), ("is-odd", row.problem))
        if there
    )
    return (
        f'<article class="{marks}">\n<h3>{escape(title(row))}</h3>\n'
        f"{_facts(row)}\n{_meter(row)}{''.join(_passages(row))}"
        "</article>"
    )


def _passages(row: PreviewRow) -> Iterator[str]:
    for name, pieces in row.passages:
        if name:
            yield f'<p class="facts">{escape(name)}</p>\n'
        yield f"<pre>{''.join(_token(piece) for piece in pieces)}</pre>\n"


def _facts(row: PreviewRow) -> str:
    facts = []
    if row.problem is None:
        facts.append(f"{counted(row.tokens, 'token')}, {trained_text(row)}")
    if row.truncated:
        facts.append(f"{counted(row.truncated, 'token')} cut off")
    facts.append(roles_text(row.roles))
    if row.where.file is not None and row.where.line is not None:
        facts.append(f"{short_path(row.where.file)}:{row.where.line}")
    lines = f'<p class="facts">{" · ".join(escape(fact) for fact in facts if fact)}</p>'
    if row.problem is None:
        return lines
    told = row.problem.diagnostic
    code = f"{told.code.id} {told.code.name}: " if told is not None else ""
    stops = row.problem.outcome == "error"
    advice = told.help if told is not None and stops else ""
    fix = f" {advice[0].upper()}{advice[1:]}." if advice else ""
    what = "stops the run" if stops else "is left out"
    problem = f"{code}this row {what}: it {row.problem.message}.{fix}"
    return f'{lines}\n<p class="problem">{escape(problem)}</p>'


def _meter(row: PreviewRow) -> str:
    if row.problem is not None or not row.tokens:
        return ""
    share = f"{100 * row.share:.1f}"
    return (
        f'<div class="meter" title="{percent(row.share)} trained">'
        f'<i style="width:{share}%"></i></div>\n'
    )


def _token(piece: Piece) -> str:
    kinds = ["t"]
    kinds += ["on"] if piece.trained else []
    kinds += ["sp"] if piece.special is not None else []
    kinds += ["cut"] if piece.cut else []
    told = [f"id {', '.join(map(str, piece.ids))}", piece.role]
    if piece.special not in (None, "special"):
        told.append(str(piece.special))
    told.append("cut off" if piece.cut else "trained" if piece.trained else "not trained")
    weight = ""
    if piece.weight not in (0.0, 1.0):
        told.append(f"weight {number(piece.weight)}")
        weight = f"<sup>×{number(piece.weight)}</sup>"
    return (
        f'<span class="{" ".join(kinds)}" title="{escape(" · ".join(told))}">'
        f"{_readable(piece.text)}{weight}</span>"
    )


def _readable(text: str) -> str:
    """The text, escaped, with its line breaks shown and kept."""
    shown = []
    for character in text:
        if character == "\n":
            shown.append("<b>↵</b>\n")
        elif character == "\t":
            shown.append("<b>⇥</b>\t")
        elif character.isprintable() or character in _JOINERS:
            shown.append(escape(character))
        else:
            shown.append(f"<b>U+{ord(character):04X}</b>")
    return "".join(shown)
