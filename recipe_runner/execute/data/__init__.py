"""Data of a run: sources become rows, rows become tokens, tokens are kept by content."""

from recipe_runner.execute.data.build import ProgressSink
from recipe_runner.execute.data.examples import evaluation_examples
from recipe_runner.execute.data.prepare import Prepared, prepare
from recipe_runner.execute.data.receipt import Dropped, Receipt, SourceReceipt

__all__ = [
    "Dropped",
    "Prepared",
    "ProgressSink",
    "Receipt",
    "SourceReceipt",
    "evaluation_examples",
    "prepare",
]
