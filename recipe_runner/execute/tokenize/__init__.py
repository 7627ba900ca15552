"""Rows become tokens and labels: rendering, tokenizing and the loss mask.

The label mask is right for any chat template: see `spans.py` for how it is found, `turns.py`
for where a turn begins and ends, `masks.py` for tokens that straddle a border.
"""

from recipe_runner.execute.tokenize.parity import first_mismatch, trained_turn_end
from recipe_runner.execute.tokenize.rows import RowTokenizer, tokenize_batch
from recipe_runner.execute.tokenize.settings import IGNORED, Tokenized, TokenizeSettings

__all__ = [
    "IGNORED",
    "RowTokenizer",
    "TokenizeSettings",
    "Tokenized",
    "first_mismatch",
    "tokenize_batch",
    "trained_turn_end",
]
