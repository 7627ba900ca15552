"""`python -m recipe_runner.devtools.generate [--check] [--only NAME]`.

Writes every file that is derived from the code, or checks that they are up to date.
Each kind of file is one module of this package that has two names: `artefacts()`, which
returns paths (relative to the root of the repository) and contents, and `FOLDERS`, the
folders that hold nothing else. A file whose content is right is never written.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from recipe_runner.devtools.artefact import Drift, UnavailableError, compare, difference, repair
from recipe_runner.upstream.snapshot import forget

MODULES = (
    "upstream_snapshots",
    "adapter_components",
    "quantization_components",
    "json_schema",
    "reference_pages",
    "error_pages",
)
"""The modules of this package that generate files, in the order in which they run."""

ROOT = Path(__file__).resolve().parents[2]


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 where a file is wrong.")
@click.option("--only", type=click.Choice(MODULES), multiple=True, help="One kind of file.")
def main(check: bool, only: Sequence[str]) -> None:
    """Write the files that are derived from the code, or check them."""
    if not (ROOT / "pyproject.toml").is_file():
        raise click.UsageError(f"{ROOT} is not the repository of recipe_runner.")
    count = 0
    for module in only or MODULES:
        drifts = _drifts(module)
        count += len(drifts)
        for drift in drifts:
            click.echo(f"{drift.kind if check else _DEEDS[drift.kind]}: {drift.path}")
            if check and (diff := difference(ROOT, drift)):
                click.echo(diff)
            if not check:
                repair(ROOT, drift)
        # Later modules read what earlier ones write.
        if drifts and module == MODULES[0]:
            if check:
                break
            forget()
    if check and count:
        said = "1 generated file differs" if count == 1 else f"{count} differ"
        click.echo(f"{said} from the code; run: make generate")
        sys.exit(1)


_DEEDS = {"stale": "rewrote", "missing": "wrote", "surplus": "removed"}


def _drifts(name: str) -> list[Drift]:
    module = importlib.import_module(f"recipe_runner.devtools.{name}")
    try:
        artefacts: dict[Path, str] = module.artefacts()
    except UnavailableError as reason:
        click.echo(f"skipped {name}: {reason}")
        return []
    click.echo(f"{name}: {len(artefacts)} {'file' if len(artefacts) == 1 else 'files'}")
    return compare(ROOT, artefacts, module.FOLDERS)


if __name__ == "__main__":
    main()
