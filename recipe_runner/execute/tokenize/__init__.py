"""Rows become tokens and labels: rendering, tokenizing and the loss mask.

The label mask is right for any chat template: see `spans.py` for how turns are found,
`turns.py` for where one begins and ends, `trained.py` for which of them train,
`masks.py` for tokens that straddle a border, `cutting.py` for rows that are too long.
"""

from recipe_runner.execute.tokenize.answers import AnswersRow, AnswersTokenizer
from recipe_runner.execute.tokenize.prompts import PromptRow, PromptTokenizer
from recipe_runner.execute.tokenize.rows import RowTokenizer, tokenize_batch
from recipe_runner.execute.tokenize.settings import Tokenized, TokenizeSettings
from recipe_runner.rows.answers import IGNORED

__all__ = [
    "IGNORED",
    "AnswersRow",
    "AnswersTokenizer",
    "PromptRow",
    "PromptTokenizer",
    "RowTokenizer",
    "TokenizeSettings",
    "Tokenized",
    "tokenize_batch",
]
