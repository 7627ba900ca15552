"""A rule: one function that compares options, with its code and its page in one place.

A rule reads a resolved recipe and yields findings; it never changes anything. It
compares traits that components declare, never their names.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.diagnostics import Code, Severity


@dataclass(frozen=True)
class Finding:
    """What a rule found, at a path of the recipe: at its value, or at its key."""

    path: Path
    message: str
    help: str
    of_key: bool = False


Check = Callable[[ResolvedRecipe], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A check and the code it reports."""

    code: Code
    check: Check


def rule(id: str, name: str, severity: Severity = "error") -> Callable[[Check], Rule]:
    """Make a rule of a function; its docstring is the code's page."""

    def make(check: Check) -> Rule:
        return Rule(Code(id, name, check.__doc__ or "", severity), check)

    return make
