"""Rules between options: each compares values that are fine by themselves."""

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules import (
    adapter,
    algorithm,
    base_of_adapter,
    batch,
    beside_quantized,
    columns,
    compared,
    data,
    effect,
    extra,
    fits,
    golden,
    launch,
    loss,
    names,
    optimizer,
    others,
    packing,
    parts,
    patterns,
    quantized,
    recomputed,
    rewards,
    rounds,
    schedule,
    speed,
    stacked,
    streaming,
    tokens,
    trained,
    trust,
    vision,
    weights,
)
from recipe_runner.compiler.rules.rule import Check, Finding, Rule
from recipe_runner.diagnostics import Code, Diagnostic
from recipe_runner.syntax import Document

_MODULES = (
    batch,
    schedule,
    effect,
    recomputed,
    patterns,
    weights,
    adapter,
    quantized,
    beside_quantized,
    names,
    trained,
    optimizer,
    parts,
    others,
    base_of_adapter,
    stacked,
    tokens,
    launch,
    data,
    columns,
    loss,
    streaming,
    packing,
    golden,
    vision,
    algorithm,
    compared,
    rounds,
    rewards,
    speed,
    fits,
    trust,
    extra,
)

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            value
            for module in _MODULES
            for value in vars(module).values()
            if isinstance(value, Rule)
        ),
        key=lambda rule: rule.code.id,
    )
)
CODES: tuple[Code, ...] = tuple(rule.code for rule in RULES)


def check(
    resolved: ResolvedRecipe, document: Document, *, judge_rows: bool = True
) -> tuple[Diagnostic, ...]:
    """Apply every rule. Findings about rows come with them, unless they are not to be judged."""
    found = [
        _diagnostic(finding, rule.code, document)
        for rule in RULES
        for finding in rule.check(resolved)
    ]
    return (*found, *(data.rows_do_not_fit(resolved, document) if judge_rows else ()))


def _diagnostic(finding: Finding, code: Code, document: Document) -> Diagnostic:
    place = document.place(finding.path, of_key=finding.of_key)
    return Diagnostic(code, finding.message, place, finding.help)


__all__ = ["CODES", "RULES", "Check", "check"]
