"""The options that `chat` and `generate` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from recipe_runner.execute.answering.decoding import Sampling
    from recipe_runner.execute.finished import FinishedRun

Command = Callable[..., int]

_OPTIONS = (
    click.option("--merged", is_flag=True, help="Ask RUN/merged, which `merge` made."),
    click.option(
        "--max-new-tokens",
        type=click.IntRange(1),
        default=512,
        show_default=True,
        metavar="N",
        help="Longest answer.",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(0),
        default=0.0,
        metavar="T",
        help="Draw tokens; 0 takes the likeliest.",
    ),
    click.option(
        "--top-p",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="P",
        help="Draw from the likeliest with share P.",
    ),
    click.option("--seed", type=click.IntRange(0), metavar="N", help="For drawing."),
    click.option("--raw", is_flag=True, help="Continue the text, without a template."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16"]),
        metavar="TYPE",
        help="float32, bfloat16 or float16.",
    ),
    click.option("--allow-code", is_flag=True, help="Allow the code that the model brings."),
)


def asking_options(function: Command) -> Command:
    """How the model is loaded and how it chooses its words."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def sampling_of(values: dict[str, Any]) -> Sampling:
    """The sampling that the options ask for. Options that have no effect are wrong usage."""
    from recipe_runner.execute.answering.decoding import Sampling

    drawn = {name: values[name] for name in ("top_p", "seed") if values[name] is not None}
    if drawn and values["temperature"] == 0:
        option = next(iter(drawn)).replace("_", "-")
        raise click.UsageError(f"--{option} has no effect without --temperature above 0")
    return Sampling(values["max_new_tokens"], values["temperature"], **drawn)


def run_that_answers(path: Path, *, merged: bool) -> FinishedRun:
    """The run in `path`, which made a model that writes."""
    from recipe_runner.execute.finished import open_run
    from recipe_runner.execute.loading import merged_folder

    finished = open_run(path)
    if finished.plan.model.judges:
        raise click.UsageError(
            f"`{path}` trained a model that gives numbers ({finished.plan.algorithm}), and no words"
        )
    if merged and not (merged_folder(finished) / "config.json").is_file():
        raise click.UsageError(
            f"there is no `{path / 'merged'}`; `recipe-run merge {path}` makes it"
        )
    return finished


def wants_raw(finished: FinishedRun, raw: bool) -> bool:
    """True where prompts are continued as they are: asked for, or the run saw texts only."""
    return raw or all(source.format.shape == "text" for source in finished.plan.data.train)
