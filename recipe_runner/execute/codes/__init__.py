"""The codes of preflight (RR601 to RR649), of a run (RR701 to RR749) and of our own bugs (RR901).

Imports nothing but `diagnostics`: `recipe-run explain` reads the pages without torch.
"""

from recipe_runner.diagnostics import Code
from recipe_runner.execute.codes.before import BEFORE
from recipe_runner.execute.codes.chat import CHAT
from recipe_runner.execute.codes.during import DURING
from recipe_runner.execute.codes.exports import EXPORTS_BEFORE, EXPORTS_DURING
from recipe_runner.execute.codes.finished import FINISHED
from recipe_runner.execute.codes.merge import MERGES
from recipe_runner.execute.codes.push import PUSH_BEFORE, PUSH_DURING
from recipe_runner.execute.codes.stacked import STACKED

_PARTS = (
    BEFORE,
    FINISHED,
    CHAT,
    DURING,
    STACKED,
    MERGES,
    EXPORTS_BEFORE,
    EXPORTS_DURING,
    PUSH_BEFORE,
    PUSH_DURING,
)

CODES: tuple[Code, ...] = tuple(
    sorted((code for part in _PARTS for code in part), key=lambda code: code.id)
)
"""Every code that `execute` can report, in order."""

__all__ = ["CODES"]
