"""What can go wrong and how it is told. Imports the standard library only."""

from recipe_runner.diagnostics.code import FAMILIES, Code, Severity
from recipe_runner.diagnostics.diagnostic import Diagnostic, DiagnosticError, Place, Related
from recipe_runner.diagnostics.report import Report
from recipe_runner.diagnostics.span import START, WHOLE_FILE, Position, Span

__all__ = [
    "FAMILIES",
    "START",
    "WHOLE_FILE",
    "Code",
    "Diagnostic",
    "DiagnosticError",
    "Place",
    "Position",
    "Related",
    "Report",
    "Severity",
    "Span",
]
