"""The codes of preflight (RR601 to RR649), of a run (RR701 to RR749) and of our own bugs (RR901).

Imports nothing but `diagnostics`: `recipe-run explain` reads the pages without torch.
"""

from recipe_runner.diagnostics import Code
from recipe_runner.execute.codes.before import BEFORE
from recipe_runner.execute.codes.during import DURING

CODES: tuple[Code, ...] = (*BEFORE, *DURING)
"""Every code that `execute` can report, in order."""

__all__ = ["CODES"]
