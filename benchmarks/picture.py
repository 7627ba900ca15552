"""A bar for each ratio, as an SVG file; bars of ours are green."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

_WIDEST = 420
"""Pixels of the longest bar."""


def picture(title: str, bars: Sequence[tuple[str, float]], path: Path) -> None:
    """Write `bars`, each a label and a ratio, from top to bottom; a line stands at 1."""
    scale = _WIDEST / max((ratio for _, ratio in bars), default=1)
    height = 22 * len(bars) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f'<text x="0" y="14">{escape(title)}</text>',
    ]
    for number, (label, ratio) in enumerate(bars):
        y = 26 + 22 * number
        color = "#2a7" if "ours" in label else "#999"
        parts.append(
            f'<text x="330" y="{y + 14}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="340" y="{y}" width="{ratio * scale:.1f}" height="18" fill="{color}"/>'
            f'<text x="{346 + ratio * scale:.1f}" y="{y + 14}">{ratio:.2f}x</text>'
        )
    one = 340 + scale
    parts.append(f'<path d="M{one:.1f} 22V{height}" stroke="#000" stroke-dasharray="3"/>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>\n"]), encoding="utf-8")
