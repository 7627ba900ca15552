"""The resolved recipe as a recipe: every value set, every path absolute.

A run keeps it beside the recipe as written, so that a reader sees what `auto` became
without knowing the version's defaults, and can train the same thing again from it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from recipe_runner.compiler.resolved import ResolvedRecipe, ResolvedSource

_HEAD = "# Every value of the recipe, as it was resolved for this run.\n"


def resolved_text(resolved: ResolvedRecipe, base: Path) -> str:
    """YAML of the whole recipe; `base` is the folder that its relative paths start from."""
    values = resolved.recipe.model_dump(mode="json")
    values["data"]["train"] = [_source(source, base) for source in resolved.train]
    if resolved.eval:
        values["data"]["eval"] = [_source(source, base) for source in resolved.eval]
    masks = [source.loss for source in (*resolved.train, *resolved.eval)]
    if masks and values["data"]["loss_on"] == "auto" and all(m == masks[0] for m in masks):
        # What the rows mark themselves has no word of its own.
        values["data"]["loss_on"] = "auto" if masks[0].on == "given" else masks[0].name
    model, tokenizer = resolved.around.model, resolved.around.tokenizer
    if model is not None and model.local:
        values["model"]["name_or_path"] = model.path
    if tokenizer is not None and tokenizer.local and values["tokenizer"]["name_or_path"]:
        values["tokenizer"]["name_or_path"] = tokenizer.path
    template = values["tokenizer"]["chat_template"]
    if isinstance(template, dict) and "file" in template:
        template["file"] = str((base / Path(template["file"]).expanduser()).absolute())
    _state_once(values["training"], resolved)
    return _HEAD + _yaml(values)


def _state_once(training: dict[str, Any], resolved: ResolvedRecipe) -> None:
    """Leave out what a decided number of steps came from, or the number where it is a fraction."""
    for steps, origin in (
        ("save_steps", "saves_per_epoch"),
        ("eval_steps", "evals_per_epoch"),
        ("warmup_steps", "warmup_ratio"),
    ):
        if isinstance(training[steps], float):
            training[steps], training[origin] = "auto", training[steps]
        elif training[steps] is not None and f"training.{steps}" in resolved.reasons:
            training[origin] = None


def _source(source: ResolvedSource, base: Path) -> dict[str, Any]:
    values = source.spec.model_dump(mode="json")
    values["format"] = {"type": source.format.type, **source.format.options()}
    if values["source"] == "auto":
        values["source"] = source.facts.loader
    if source.facts.files:
        values["path"] = str((base / Path(source.spec.path).expanduser()).absolute())
    return values


def _yaml(values: dict[str, Any]) -> str:
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    # ruamel declares it as None.
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 100
    stream = io.StringIO()
    writer.dump(values, stream)
    return stream.getvalue()
