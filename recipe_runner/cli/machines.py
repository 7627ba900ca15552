"""The machine that a command plans for: by its name, by its file, or this one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from recipe_runner.cli.screen import print_errors
from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.plan import MachinePlan

_FILES = (".yaml", ".yml", ".json")


class WrongArgument(DiagnosticError):
    """What is wrong is an argument of the command line, or the file that it names."""


def machine_named(name: str | None) -> MachinePlan | None:
    """The machine of that name or file. Raises `WrongArgument` where it is neither."""
    if name is None:
        return None
    try:
        if name.endswith(_FILES) or "/" in name or Path(name).is_file():
            return machine_at(name)
        from recipe_runner.compiler.machine import machine

        return machine(name)
    except DiagnosticError as error:
        raise WrongArgument(*error.diagnostics) from error


def machine_at(path: str) -> MachinePlan:
    """The machine of a file. Raises `DiagnosticError` with the place of what is wrong in it."""
    from recipe_runner.compiler.machine_file import machine_in
    from recipe_runner.syntax import read

    document, findings = read(path)
    if document is None or any(each.severity == "error" for each in findings):
        raise DiagnosticError(*findings)
    return machine_in(document)


def this_machine() -> MachinePlan:
    """The machine that the command runs on."""
    from recipe_runner.execute import probe

    return probe.this_machine()


def measured_machine() -> MachinePlan:
    """The machine that the command runs on, with what `calibrate` measured on it.

    Where the file of that is wrong, it is told as a warning, and the machine counts as not
    measured: a run must not fail by it.
    """
    from recipe_runner.execute.machine_file import place_of

    machine = this_machine()
    path = place_of(machine)
    if not path.is_file():
        return machine
    try:
        measured = machine_at(str(path))
    except DiagnosticError as error:
        print_errors(_warning(each) for each in error.diagnostics)
        return machine
    alike = ("kind", "accelerators", "cpus")
    if any(getattr(measured, name) != getattr(machine, name) for name in alike):
        return machine
    # What it has now is what counts: a container may have been given other memory since.
    return replace(
        measured, memory_gib=machine.memory_gib, bf16=machine.bf16, source=machine.source
    )


def _warning(finding: Diagnostic) -> Diagnostic:
    return replace(finding, code=replace(finding.code, severity="warning"))
