"""`recipe-run cache`: what is kept of prepared data, whether it is sound, and what can go."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from recipe_runner.cli.layout import counted, short_path
from recipe_runner.cli.screen import wants_color
from recipe_runner.cli.table import table

if TYPE_CHECKING:
    from recipe_runner.execute.data.cache import Store
    from recipe_runner.execute.data.upkeep import Item

_HEADS = ("key", "size", "used", "rows", "tokens", "state", "built for")
_UNITS = {"min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SHORT = 12


class Age(click.ParamType[float]):
    """A time such as 30d, 12h or 90min, as seconds."""

    name = "age"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(min|h|d|w)", str(value))
        if found is None:
            self.fail(f"`{value}` is no time such as 90min, 12h, 30d or 2w", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


@click.group("cache")
def command() -> None:
    """Show, check and remove prepared data.

    They are in RECIPE_RUNNER_CACHE, else in ~/.cache/recipe_runner. Every part of
    them can be made again.
    """


@command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def ls(as_json: bool) -> int:
    """List prepared data, those used last first."""
    from recipe_runner.execute.data.upkeep import beside, items

    store = _store()
    found, others = items(store), beside(store)
    if as_json:
        value = {
            "cache": str(store.root),
            "prepared": [asdict(item) for item in found],
            "beside": [asdict(other) for other in others],
        }
        sys.stdout.write(json.dumps(value, indent=2) + "\n")
        return 0
    total = sum(item.bytes for item in found)
    sys.stdout.write(f"{short_path(str(store.root))}: {size(total)} of prepared data\n")
    if found:
        rows, color = [_row(item) for item in found], wants_color(sys.stdout)
        sys.stdout.write("\n" + table(_HEADS, rows, left=frozenset({0, 5, 6}), color=color))
    if others:
        cells = [(other.name, size(other.bytes)) for other in others]
        sys.stdout.write(
            "\n" + table(("beside them", "size"), cells, color=wants_color(sys.stdout))
        )
    return 0


@command.command("rm", short_help="Remove prepared data.")
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@click.option("--all", "everything", is_flag=True, help="Remove all prepared data.")
@click.option(
    "--older-than", type=Age(), metavar="AGE", help="Remove what was not used for AGE, such as 30d."
)
@click.option("--unfinished", is_flag=True, help="Remove what killed processes left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(
    keys: tuple[str, ...], everything: bool, older_than: float | None, unfinished: bool, yes: bool
) -> int:
    """Remove prepared data: those whose key begins with KEY, or all that an option says.

    What is being built or in use stays. On a terminal it asks first.

    Exit code: 0 removed, 1 something stayed, 2 wrong usage.
    """
    from recipe_runner.execute.data.upkeep import chosen, items

    if sum((bool(keys), everything, older_than is not None, unfinished)) != 1:
        raise click.UsageError("name either keys, or one of --all, --older-than, --unfinished")
    store = _store()
    found = items(store)
    if everything or unfinished:
        wanted = found if everything else [item for item in found if item.state == "unfinished"]
    else:
        wanted, unclear = chosen(found, keys, older_than=older_than)
        _refuse(unclear)
    if not wanted:
        sys.stdout.write("There is nothing to remove\n")
        return 0
    total = size(sum(item.bytes for item in wanted))
    asked = sys.stdin.isatty() and sys.stdout.isatty() and not yes
    if asked and not click.confirm(f"Remove {_entries(len(wanted))}, {total}?"):
        return 1
    return _remove(store, wanted)


@command.command("verify", short_help="Compare prepared data with the hashes taken of them.")
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@click.option("--repair", is_flag=True, help="Remove what is damaged; it is prepared again.")
def verify(keys: tuple[str, ...], repair: bool) -> int:
    """Compare every file with the hash that was taken when it was written.

    Exit code: 0 all are as they were, 1 something is damaged (and stayed), 2 wrong usage.
    """
    from recipe_runner.execute.data.upkeep import chosen, faults, items

    store = _store()
    found = [item for item in items(store) if item.state in ("whole", "damaged")]
    if keys:
        found, unclear = chosen(found, keys)
        _refuse(unclear)
    damaged = []
    for item in found:
        told = faults(store, item)
        sys.stdout.write(f"{item.key[:_SHORT]}  {size(item.bytes)}  {'; '.join(told) or 'sound'}\n")
        damaged += [item] if told else []
    good = len(found) - len(damaged)
    sys.stdout.write(f"{_entries(good)} sound, {len(damaged)} damaged\n")
    if not damaged:
        return 0
    if not repair:
        sys.stdout.write("`recipe-run cache verify --repair` removes what is damaged\n")
        return 1
    return _remove(store, damaged)


def _store() -> Store:
    from recipe_runner.execute.data.cache import Store, cache_root

    return Store(cache_root())


def _remove(store: Store, wanted: Sequence[Item]) -> int:
    from recipe_runner.execute.data.upkeep import remove

    stayed, freed, gone = 0, 0, 0
    for item in wanted:
        if remove(store, item):
            freed, gone = freed + item.bytes, gone + 1
        else:
            stayed += 1
            why = "being built" if item.state == "building" else "in use"
            sys.stdout.write(f"{item.key[:_SHORT]} is {why} and stays\n")
    sys.stdout.write(f"Removed {_entries(gone)}, {size(freed)}\n")
    return 1 if stayed else 0


def _refuse(unclear: Sequence[str]) -> None:
    if unclear:
        named = ", ".join(f"`{key}`" for key in unclear)
        raise click.UsageError(f"no key, or more than one, begins with {named}")


def _row(item: Item) -> tuple[str, ...]:
    from recipe_runner.execute.data.explain import age

    return (
        item.key[:_SHORT],
        size(item.bytes),
        "-" if item.used is None else f"{age(time.time() - item.used)} ago",
        "-" if item.rows is None else f"{item.rows:,}",
        "-" if item.tokens is None else f"{item.tokens:,}",
        item.state,
        "-" if item.recipe is None else short_path(item.recipe),
    )


def _entries(count: int) -> str:
    return counted(count, "entr", "ies") if count != 1 else "1 entry"


def size(count: int) -> str:
    """Bytes as such as 512 B, 3.4 MiB or 1.2 GiB."""
    value, unit = float(count), "B"
    for following in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, following
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
