"""What algorithms that answer prompts have in common: sample rows."""

from collections.abc import Mapping
from typing import Any

PROMPT_ROWS: tuple[Mapping[str, Any], ...] = (
    {"prompt": "2 + 2 =", "answer": "4"},
    {"prompt": [{"role": "user", "content": "What is 7 x 13?"}], "answer": "91"},
    {
        "prompt": [
            {"role": "system", "content": "Answer in one word."},
            {"role": "user", "content": "Which planet is red?"},
        ],
        "answer": "Mars",
    },
)
"""Prompts, with a column that a reward compares answers with."""
