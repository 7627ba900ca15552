"""Writes a page for each code, and their index."""

from __future__ import annotations

from pathlib import Path

from recipe_runner.catalogue import catalogue
from recipe_runner.devtools.markdown import GENERATED, sentences, table
from recipe_runner.diagnostics import FAMILIES, Code

FOLDERS = (Path("docs/errors"),)

_HEAD = """# Codes

Every diagnostic has a code that never changes its meaning.
`recipe-run explain RR201` shows the same pages in a terminal.
"""


def artefacts() -> dict[Path, str]:
    """A page per code, and `index.md`."""
    codes = catalogue().values()
    pages = {FOLDERS[0] / f"{code.id}.md": _page(code) for code in codes}
    return {**pages, FOLDERS[0] / "index.md": _index(list(codes))}


def _page(code: Code) -> str:
    head = f"# {code.id} {code.name}\n\nSeverity: {code.severity}.\nFamily: {code.family}.\n\n"
    return GENERATED + head + sentences(code.page)


def _index(codes: list[Code]) -> str:
    parts = [_HEAD]
    for prefix, family in FAMILIES.items():
        rows = [
            (f"[{code.id}]({code.id}.md)", code.name, code.severity, code.summary)
            for code in codes
            if code.id.startswith(prefix)
        ]
        if rows:
            title = f"## {prefix}xx: {family}\n\n"
            parts.append(title + table(("Code", "Name", "Severity", "What it means"), rows))
    return GENERATED + "\n".join(parts)
