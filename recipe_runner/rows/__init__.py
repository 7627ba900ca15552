"""Rows of data files, read in place: each with its place, and with a name for what is wrong.

The survey before a run and the preparation during it read and judge rows alike.
"""

from recipe_runner.rows.lines import CsvRows, JsonRows, TextRows
from recipe_runner.rows.row import Chunk, Located, Row, RowProblem, Rows, Where, rename, what_is
from recipe_runner.rows.tally import Faults, Tally

__all__ = [
    "Chunk",
    "CsvRows",
    "Faults",
    "JsonRows",
    "Located",
    "Row",
    "RowProblem",
    "Rows",
    "Tally",
    "TextRows",
    "Where",
    "rename",
    "what_is",
]
