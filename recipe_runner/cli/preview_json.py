"""Rows as the model sees them, as JSON for programs; `docs/guides/preview.md` says what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipe_runner.execute.preview import PreviewRow, Problem, Shown, Summary
    from recipe_runner.execute.preview.pieces import Piece
    from recipe_runner.execute.preview.row import Count

VERSION = 1


def render(recipe: str, shown: Sequence[Shown], summary: Summary) -> str:
    """One JSON object on one line."""
    value = {
        "version": VERSION,
        "recipe": recipe,
        "shown": [
            {"title": group.title, "rows": [_row(row) for row in group.rows]} for group in shown
        ],
        "summary": {
            "rows": summary.rows,
            "tokens": summary.tokens,
            "trained_tokens": summary.trained,
            "truncated_rows": summary.truncated_rows,
            "truncated_tokens": summary.truncated_tokens,
            "roles": _roles(summary.roles),
            "longest": [
                {
                    "path": row.source.path,
                    "row": row.where.number,
                    "tokens": row.tokens + row.truncated,
                }
                for row in summary.longest
            ],
            "problems": dict(summary.problems),
        },
    }
    return json.dumps(value, ensure_ascii=False) + "\n"


def _row(row: PreviewRow) -> dict[str, Any]:
    return {
        "source": {
            "role": row.source.role,
            "number": row.source.number,
            "path": row.source.path,
        },
        "row": row.where.number,
        "file": row.where.file,
        "line": row.where.line,
        "part": row.part,
        "parts": row.parts,
        "tokens": row.tokens,
        "trained_tokens": row.trained,
        "truncated_tokens": row.truncated,
        "roles": _roles(row.roles),
        "problem": None if row.problem is None else _problem(row.problem),
        "pieces": [_piece(piece) for piece in row.pieces],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    told = problem.diagnostic
    return {
        "reason": problem.reason,
        "message": problem.message,
        "outcome": problem.outcome,
        "code": None if told is None else told.code.id,
    }


def _piece(piece: Piece) -> dict[str, Any]:
    return {
        "text": piece.text,
        "ids": list(piece.ids),
        "weight": piece.weight,
        "role": piece.role,
        "special": piece.special,
        "cut": piece.cut,
    }


def _roles(roles: Mapping[str, Count]) -> dict[str, Any]:
    return {
        name: {"tokens": count.tokens, "trained_tokens": count.trained}
        for name, count in roles.items()
    }
