"""Codes of rows: of the files they stand in, and of the tokens they become."""

from recipe_runner.rows.codes import files, tokens

CODES = (*files.CODES, *tokens.CODES)

__all__ = ["CODES", "files", "tokens"]
