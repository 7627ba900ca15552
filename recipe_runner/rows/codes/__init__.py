"""Codes of rows: of the files they stand in, and of the tokens they become."""

from recipe_runner.rows.codes import archives, files, images, templates, tokens

CODES = (*files.CODES, *archives.CODES, *tokens.CODES, *templates.CODES, *images.CODES)

__all__ = ["CODES", "archives", "files", "images", "templates", "tokens"]
