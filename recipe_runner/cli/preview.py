"""`recipe-run preview`: rows as the model sees them, and the golden rows of a recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipe_runner.cli.machines import this_machine
from recipe_runner.cli.parameters import (
    allow_code_option,
    html_option,
    recipe_argument,
    set_option,
    write_page,
)
from recipe_runner.cli.plan import compiled_for
from recipe_runner.cli.screen import print_errors, wants_color, width

if TYPE_CHECKING:
    from recipe_runner.execute.preview import Selection
    from recipe_runner.plan import Plan

_ROWS = 3
_GOLDEN_ROWS = 8
_WORST = ("longest", "least-trained", "most-truncated")


@click.command("preview")
@recipe_argument
@click.option(
    "--rows", type=click.IntRange(1), metavar="N", help="The first N rows of each data set (3)."
)
@click.option(
    "--row",
    "numbers",
    type=click.IntRange(1),
    multiple=True,
    metavar="N",
    help="Row N; repeatable.",
)
@click.option("--source", type=click.IntRange(1), metavar="K", help="Of data set K only.")
@click.option("--eval", "evaluation", is_flag=True, help="Rows to evaluate on.")
@click.option(
    "--worst",
    type=click.Choice(_WORST),
    multiple=True,
    metavar="KIND",
    help=f"{', '.join(_WORST)}; repeatable.",
)
@click.option("--role", metavar="ROLE", help="With a turn of ROLE.")
@click.option("--contains", metavar="TEXT", help="With TEXT in them.")
@click.option("--untrained", is_flag=True, help="Without a trained token.")
@click.option("--truncated", is_flag=True, help="Cut by data.max_length.")
@click.option("--golden", is_flag=True, help="Write the golden rows of the recipe.")
@click.option("--check", is_flag=True, help="With --golden: compare with them.")
@click.option("--diff", is_flag=True, help="With --golden: compare in full.")
@html_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@set_option
@allow_code_option
def command(
    recipe: str,
    rows: int | None,
    numbers: tuple[int, ...],
    source: int | None,
    evaluation: bool,
    worst: tuple[str, ...],
    role: str | None,
    contains: str | None,
    untrained: bool,
    truncated: bool,
    golden: bool,
    check: bool,
    diff: bool,
    html: Path | None,
    as_json: bool,
    overrides: tuple[str, ...],
    allow_code: bool,
) -> int:
    """Show rows as the model sees them: which tokens there are, which train."""
    if (check or diff) and not golden:
        raise click.UsageError("--check and --diff go with --golden")
    filters = role is not None or contains is not None or untrained or truncated
    if golden and (numbers or source or evaluation or worst or filters or html or as_json):
        raise click.UsageError("--golden takes --rows, --check and --diff, and no other choice")
    if numbers and rows is not None:
        raise click.UsageError("--row names the rows; --rows counts them: give one of the two")
    if worst and (numbers or filters):
        raise click.UsageError("--worst chooses the rows itself: give it without --row and filters")
    from recipe_runner.compiler.rules.golden import golden_stale

    # Whoever writes or compares the golden rows knows, or learns it from the comparison.
    known = golden_stale.code if golden else None
    # A row with a fault is what one wants to look at.
    compiled = compiled_for(
        recipe, this_machine(), overrides=overrides, allow_code=allow_code, judge_rows=golden
    )
    print_errors(found for found in compiled.report if found.code != known)
    if compiled.plan is None:
        return 1
    from recipe_runner.execute import environment
    from recipe_runner.execute.preview import Selection, streams_from_elsewhere

    if streams_from_elsewhere(compiled.plan):
        raise click.UsageError(
            "the rows stream from elsewhere; --set data.streaming=false fetches them for a look"
        )
    environment.hush()
    if golden:
        return _golden(compiled.plan, rows or _GOLDEN_ROWS, check=check, diff=diff)
    wanted = Selection(
        rows=rows or _ROWS,
        numbers=numbers,
        source=source,
        evaluation=evaluation,
        worst=worst,  # type: ignore[arg-type]  # click allows no other words
        role=role,
        contains=contains,
        untrained=untrained,
        truncated=truncated,
    )
    return _show(compiled.plan, wanted, html, as_json=as_json)


def _show(plan: Plan, wanted: Selection, html: Path | None, *, as_json: bool) -> int:
    from recipe_runner.execute.preview import Desk, SelectionError, look, summary_of
    from recipe_runner.execute.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(plan.tokenizer)
    with Desk.opened(plan, tokenizer, head=wanted.at_head(plan)) as desk:
        try:
            shown = look(desk, wanted)
        except SelectionError as error:
            raise click.UsageError(str(error)) from error
    summary = summary_of(row for group in shown for row in group.rows)
    if html is not None:
        from recipe_runner.cli import preview_html

        write_page(html, preview_html.render(plan.recipe_path, shown, summary), aside=as_json)
    if as_json:
        from recipe_runner.cli import preview_json

        sys.stdout.write(preview_json.render(plan.recipe_path, shown, summary))
    elif html is None:
        from recipe_runner.cli.preview_page import page

        color = wants_color(sys.stdout)
        sys.stdout.write(page(shown, summary, width=width(), color=color))
    return 0


def _golden(plan: Plan, rows: int, *, check: bool, diff: bool) -> int:
    from recipe_runner.cli.golden_page import agreed, page, written
    from recipe_runner.execute.atomic import write_text
    from recipe_runner.execute.preview import Desk
    from recipe_runner.execute.preview.golden import compare, diagnostic, make
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.rows.golden import decode, encode, golden_path

    if plan.recipe_path == "<stdin>":
        raise click.UsageError("golden rows stand beside a recipe, and this one has no file")
    file = golden_path(plan.recipe_path)
    if (check or diff) and plan.golden is None:
        raise click.UsageError(f"there is no {file}; --golden alone writes it")
    with Desk.opened(plan, load_tokenizer(plan.tokenizer), head=True) as desk:
        if plan.golden is None or not (check or diff):
            made = make(desk, rows)
            write_text(file, encode(made))
            sys.stdout.write(written(made, str(file)))
            return 0
        found = compare(desk, decode(Path(plan.golden).read_text(encoding="utf-8")))
    if not found.differences:
        sys.stdout.write(agreed(found, str(file)))
        return 0
    if diff:
        color = wants_color(sys.stdout)
        sys.stdout.write(page(found, str(file), width=width(), color=color))
    if check:
        print_errors([diagnostic(found, plan)])
    return 1 if check else 0
