"""Writes the model card: what was trained, how well it does, and the recipe to do it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from recipe_runner.execute import atomic
from recipe_runner.execute.outcome import Scored
from recipe_runner.execute.versions import package_versions
from recipe_runner.plan import Plan, digest

_SHOWN = ("loss", "eval_loss", "eval_mean_token_accuracy", "num_tokens", "tokens_per_second")


def write_card(
    folder: Path, plan: Plan, recipe: str, metrics: Mapping[str, float], scored: Scored | None
) -> None:
    """Write `README.md` into `folder`, with the front matter that the hub reads."""
    atomic.write_text(folder / "README.md", card(plan, recipe, metrics, scored))


def card(plan: Plan, recipe: str, metrics: Mapping[str, float], scored: Scored | None) -> str:
    """The card's text."""
    parts = [_front_matter(plan), f"# {plan.name}"]
    if plan.description:
        parts.append(plan.description)
    what = "an adapter for" if plan.adapter is not None else "a full fine-tune of"
    how = f"This is {what} `{plan.model.name_or_path}`, trained with `{plan.algorithm}`,"
    parts.append(f"{how} {plan.steps.global_batch_size} sequences per optimizer step.")
    parts.append("## Result\n\n" + _result(metrics, scored))
    fence = "`" * max(3, _longest_run(recipe) + 1)
    parts.append(f"## Recipe\n\n{fence}yaml\n{recipe.rstrip()}\n{fence}")
    parts.append(f"Plan `{digest(plan)}`, seed {plan.seed}.")
    rows = "\n".join(f"| {name} | {version} |" for name, version in package_versions().items())
    parts.append(f"## Versions\n\n| package | version |\n|---|---|\n{rows}")
    return "\n\n".join(parts) + "\n"


def _front_matter(plan: Plan) -> str:
    library = "peft" if plan.adapter is not None else "transformers"
    lines = ["---", f"library_name: {library}"]
    if not plan.model.local and not plan.model.random_init:
        lines.append(f"base_model: {json.dumps(plan.model.name_or_path)}")
    tags = ["trl", plan.algorithm, "recipe-runner", *plan.tags]
    lines.append("tags:")
    lines.extend(f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags))
    return "\n".join([*lines, "---"])


def _result(metrics: Mapping[str, float], scored: Scored | None) -> str:
    rows = [f"| {name} | {metrics[name]:.6g} |" for name in _SHOWN if name in metrics]
    if scored is not None:
        label = f"exact match on {scored.rows} held-out rows"
        if scored.before is not None:
            rows.append(f"| {label}, before training | {scored.before:.1%} |")
        rows.append(f"| {label}, after training | {scored.after:.1%} |")
    return "\n".join(["| metric | value |", "|---|---|", *rows])


def _longest_run(text: str) -> int:
    """The longest run of backticks in `text`, so that the fence around it is longer."""
    longest = current = 0
    for character in text:
        current = current + 1 if character == "`" else 0
        longest = max(longest, current)
    return longest
