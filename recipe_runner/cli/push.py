"""`recipe-run push`: upload what a run made to the Hugging Face hub."""

from __future__ import annotations

import gc
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_runner.cli.export import Form, ending_as_interrupted, meter, teller

if TYPE_CHECKING:
    from recipe_runner.execute.exports.target import Target
    from recipe_runner.execute.push.package import Package


# Source: `huggingface_hub.utils.validate_repo_id`, which forbids "--", ".." and ".git" as well.
_ID = re.compile(r"\b[\w.-]{1,96}\b/\b[\w.-]{1,96}\b", re.ASCII)


class HubId(click.ParamType[str]):
    """The id of a repository: ORG/NAME."""

    name = "hub id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if _ID.fullmatch(text) is None or ".." in text or "--" in text or text.endswith(".git"):
            self.fail(f"`{value}` is no id of the form ORG/NAME", param, ctx)
        return text


@click.command("push")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "repository",
    type=HubId(),
    metavar="ORG/NAME",
    help="The repository; what the recipe says in `hub`, where it does.",
)
@click.option(
    "--private/--public", default=True, help="How a new repository is made; private by default."
)
@click.option("--revision", default="main", show_default=True, help="The branch to write to.")
@click.option("--merged", is_flag=True, help="Upload the adapter merged into its base.")
@click.option("--export", "target", type=Form(), metavar="TARGET", help="Upload an export.")
@click.option("--base", type=HubId(), metavar="ORG/NAME", help="Where others find a local base.")
@click.option("--license", metavar="ID", help="The license, such as apache-2.0, for the card.")
@click.option("--dry-run", is_flag=True, help="Show files and card, and send nothing.")
def command(
    run: Path,
    repository: str | None,
    private: bool,
    revision: str,
    merged: bool,
    target: Target | None,
    base: str | None,
    license: str | None,
    dry_run: bool,
) -> int:
    """Upload the model of RUN with a model card and the recipe.

    The token comes from HF_TOKEN or `hf auth login`. Weights go as safetensors or GGUF;
    pickles, checkpoints and paths of this machine stay here.

    Exit code: 0 uploaded, 2 wrong usage, 3 something is missing on this machine, 4 the
    upload failed, 130 interrupted.
    """
    if merged and target is not None:
        raise click.UsageError("an export is of the merged model already; leave --merged out")
    from recipe_runner.execute import environment
    from recipe_runner.execute.card import hub_base
    from recipe_runner.execute.finished import open_run
    from recipe_runner.execute.push.package import Wanted, packaged
    from recipe_runner.execute.push.upload import demand_token, license_on_hub, upload

    finished = open_run(run)
    environment.apply(finished.plan)
    wanted = Wanted(
        repository or _of_recipe(finished.plan.arguments.arguments),
        merged=merged,
        export=target,
        base=base,
        license=license,
    )
    stated = None
    if not dry_run:
        demand_token(finished)
        revision_of_base = None if base else finished.plan.model.load.get("revision")
        stated = license_on_hub(base or hub_base(finished.plan), revision_of_base)
    gc.enable()
    told = teller()
    with (
        ending_as_interrupted(),
        meter() as shown,
        packaged(finished, wanted, license=stated, told=told, meter=shown) as package,
    ):
        if dry_run:
            sys.stdout.write(_page(wanted.repository, package) + "\n" + package.card)
            return 0
        address = upload(
            finished,
            wanted,
            package,
            private=private,
            revision=revision,
            told=told,
            meter=shown,
        )
    sys.stdout.write(_page(wanted.repository, package, address))
    return 0


def _of_recipe(arguments: Any) -> str:
    repository = arguments.get("hub_model_id")
    if repository is None:
        raise click.UsageError("name the repository: --to ORG/NAME")
    return str(repository)


def _page(repository: str, package: Package, address: str | None = None) -> str:
    from recipe_runner.cli.cache import size
    from recipe_runner.cli.layout import counted

    total = size(sum(file.size for file in package.files))
    count = counted(len(package.files), "file")
    head = f"{count}, {total}, would go to" if address is None else f"Uploaded {count}, {total}, to"
    wide = max(len(file.path) for file in package.files)
    lines = [f"{head} {repository}"]
    lines += [f"  {file.path:<{wide}}  {size(file.size)}" for file in package.files]
    if package.left:
        lines.append(f"Left here: {', '.join(package.left)}")
    if address is not None:
        lines.append(address)
    return "\n".join(lines) + "\n"
