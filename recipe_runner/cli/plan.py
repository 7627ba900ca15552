"""`recipe-run plan`: what a recipe would run, and why, without running it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from recipe_runner.cli.machines import machine_named, measured_machine
from recipe_runner.cli.parameters import (
    allow_code_option,
    machine_option,
    recipe_argument,
    set_option,
)
from recipe_runner.cli.screen import print_errors, wants_color, width
from recipe_runner.diagnostics import Report
from recipe_runner.plan import MachinePlan, Plan, encode

if TYPE_CHECKING:
    from recipe_runner.pipeline import Compiled
    from recipe_runner.syntax import Document

FIRST_MACHINE = "<address of the first machine>"
"""Stands in a plan for several machines that do not exist yet."""


@click.command("plan")
@recipe_argument
@machine_option("Plan for a machine such as 8xH100-80GB or cpu instead of this one.")
@click.option("--nodes", type=click.IntRange(1), metavar="N", help="Plan for N such machines.")
@click.option(
    "--num-processes", type=click.IntRange(1), metavar="N", help="Processes over all machines."
)
@set_option
@click.option("--why", is_flag=True, help="Add every value that was decided, with its reason.")
@click.option(
    "--trace",
    "traced",
    is_flag=True,
    help="Count what trains and what a pass keeps on the real model, without weights.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan's JSON and nothing else.")
@allow_code_option
def command(
    recipe: str,
    machine_name: str | None,
    nodes: int | None,
    num_processes: int | None,
    overrides: tuple[str, ...],
    why: bool,
    traced: bool,
    as_json: bool,
    allow_code: bool,
) -> int:
    """Show what a recipe would run: model, data, batch, steps, launch and files.

    Nothing is run, written or downloaded, but with --trace the configuration and the tokenizer
    of a model on a hub.
    """
    compiled = compiled_for(
        recipe,
        machine_named(machine_name) or measured_machine(),
        overrides=overrides,
        nodes=nodes,
        num_processes=num_processes,
        allow_code=allow_code,
    )
    plan, report = compiled.plan, compiled.report
    if plan is not None and traced:
        from recipe_runner.cli.plan_trace import traced_plan

        plan, findings = traced_plan(compiled)
        report += Report.of(findings)
    if plan is not None:
        _print(plan, why=why, traced=traced, as_json=as_json)
    print_errors(report)
    return 0 if plan is not None else 1


def _print(plan: Plan, *, why: bool, traced: bool, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(encode(plan))
        return
    from recipe_runner.cli.plan_page import page, reasons

    color = wants_color(sys.stdout)
    sys.stdout.write(page(plan, width=width(), color=color))
    if traced and plan.parameters is not None:
        from recipe_runner.cli.plan_parameters import trained_table

        sys.stdout.write("\n" + trained_table(plan.parameters, width=width(), color=color))
    if why:
        sys.stdout.write("\n" + reasons(plan.derived, width=width(), color=color))


def compiled_for(
    recipe: str,
    machine: MachinePlan,
    *,
    overrides: tuple[str, ...] = (),
    nodes: int | None = None,
    num_processes: int | None = None,
    allow_code: bool = False,
    judge_rows: bool = True,
) -> Compiled:
    """Compile a recipe with what the command line says about machines and processes."""
    from recipe_runner.pipeline import compile_file, compile_text

    more = list(overrides)
    if nodes is not None:
        more.append(f"launch.num_machines={nodes}")
    if num_processes is not None:
        more.append(f"launch.num_processes={num_processes}")
    compiled = compile_file(
        recipe,
        machine,
        overrides=more,
        allow_code=allow_code,
        judge_rows=judge_rows,
        stdin=sys.stdin,
    )
    document = compiled.document
    if nodes is None or nodes == 1 or document is None or _knows_where_to_meet(document):
        return compiled
    more.append(f'launch.main_process_ip="{FIRST_MACHINE}"')
    return compile_text(
        document.text, document.path, machine, overrides=more, allow_code=allow_code
    )


def _knows_where_to_meet(document: Document) -> bool:
    launch = document.value.get("launch") if isinstance(document.value, dict) else None
    return isinstance(launch, dict) and launch.get("main_process_ip") is not None
