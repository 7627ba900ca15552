"""The whole way from a recipe's text to its plan, with all diagnostics of each stage.

A stage runs only where the one before it found no error, because its input would not
exist; within a stage all findings come together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from recipe_runner.compiler.compile import compile_plan
from recipe_runner.compiler.machine import fitting
from recipe_runner.compiler.resolve import resolve
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules import check
from recipe_runner.compiler.rules.launch import remote_code
from recipe_runner.compiler.rules.rewards import local_code
from recipe_runner.diagnostics import Diagnostic, Report
from recipe_runner.plan import MachinePlan, Plan
from recipe_runner.recipe.load import load
from recipe_runner.survey import survey
from recipe_runner.syntax import Document, parse, read, with_overrides


@dataclass(frozen=True)
class Compiled:
    """How far a recipe got: what is None was not reached because of the report's errors."""

    report: Report
    document: Document | None = None
    resolved: ResolvedRecipe | None = None
    plan: Plan | None = None


def compile_file(
    path: str,
    machine: MachinePlan | None,
    *,
    overrides: Sequence[str] = (),
    cwd: Path | None = None,
    allow_code: bool = False,
    all_rows: bool = False,
    judge_rows: bool = True,
    stdin: IO[Any] | None = None,
) -> Compiled:
    """Read a recipe file and compile it for `machine`, or without one for a machine that fits.

    Where `stdin` is given, the path `-` stands for it. `allow_code` says that a person
    allowed the code that the recipe asks to run: RR325 and RR367 are then notes. `all_rows`
    reads every row of local data instead of the first and the last; without `judge_rows`,
    rows with faults are no findings.
    """
    document, findings = read(path, stdin=stdin)
    return _compile(
        document,
        findings,
        machine,
        overrides,
        cwd or Path.cwd(),
        allow_code,
        all_rows,
        judge_rows,
    )


def compile_text(
    text: str,
    path: str,
    machine: MachinePlan | None,
    *,
    overrides: Sequence[str] = (),
    cwd: Path | None = None,
    allow_code: bool = False,
) -> Compiled:
    """Compile the text of a recipe as if it stood in the file `path`."""
    document, findings = parse(text, path)
    return _compile(document, findings, machine, overrides, cwd or Path.cwd(), allow_code)


def _compile(
    document: Document | None,
    findings: tuple[Diagnostic, ...],
    machine: MachinePlan | None,
    overrides: Sequence[str],
    cwd: Path,
    allow_code: bool,
    all_rows: bool = False,
    judge_rows: bool = True,
) -> Compiled:
    report = Report.of(findings)
    if document is None or not report.ok:
        return Compiled(report, document)
    if overrides:
        document, findings = with_overrides(document, overrides)
        report += Report.of(findings)
        if document is None or not report.ok:
            return Compiled(report, document)
    recipe, findings = load(document)
    report += Report.of(findings)
    if recipe is None:
        return Compiled(report, document)
    base = (cwd / document.path).parent if document.path != "<stdin>" else cwd
    around, findings = survey(recipe, document, base, cwd, all_rows=all_rows)
    report += Report.of(_seen_from(cwd, finding) for finding in findings)
    resolved, findings = resolve(recipe, machine or fitting(recipe), around, document)
    report += Report.of(findings)
    found = check(resolved, document, judge_rows=judge_rows)
    findings = tuple(_seen_from(cwd, finding) for finding in found)
    report += Report.of(_allowed(findings) if allow_code else findings)
    if not report.ok:
        return Compiled(report, document, resolved)
    run_dir = str((cwd / Path(recipe.output_dir).expanduser()).absolute())
    plan = compile_plan(resolved, text=document.text, path=document.path, run_dir=run_dir)
    return Compiled(report, document, resolved, plan)


def _seen_from(cwd: Path, finding: Diagnostic) -> Diagnostic:
    """The finding with the path of a data file below `cwd` as a person there would type it."""
    file = Path(finding.place.path)
    if not file.is_absolute() or not file.is_relative_to(cwd):
        return finding
    return replace(finding, place=replace(finding.place, path=str(file.relative_to(cwd))))


def _allowed(findings: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """The findings with those about code as notes."""
    asking = (remote_code.code, local_code.code)
    return tuple(
        replace(f, code=replace(f.code, severity="note")) if f.code in asking else f
        for f in findings
    )
