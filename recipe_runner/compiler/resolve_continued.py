"""Turns an adapter that is trained further into the method and the options that it has."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recipe_runner.compiler.resolved import Draft
from recipe_runner.components.adapter import Adapter, Setting
from recipe_runner.components.base import create, discover
from recipe_runner.survey.adapter import AdapterFacts
from recipe_runner.survey.survey import CONTINUED
from recipe_runner.upstream import fields

AXIS = "recipe_runner.components.adapters"

_OF_FILE = (
    "auto_mapping",
    "base_model_name_or_path",
    "fan_in_fan_out",
    "inference_mode",
    "peft_type",
    "peft_version",
    "revision",
    "task_type",
)
"""What the file says of itself, of its base and of its layers, and not of the method."""


def resolve_continued(draft: Draft) -> Draft:
    """Take the configuration of the saved adapter, where there is one that can be taken."""
    facts = draft.around.adapters.get(CONTINUED)
    if facts is None:
        return draft
    found = method_of(facts)
    if isinstance(found, str):
        return draft  # RR394 says why
    return draft.decide("adapter", found, f"so the adapter in {_name(facts.path)} was trained")


def method_of(facts: AdapterFacts) -> Adapter | str:
    """The method of a saved adapter with its options, or why it cannot be trained any more."""
    kind = kind_of(facts)
    if kind is None or kind.upstream is None:
        return f"no adapter of a recipe is of the method {facts.peft_type}"
    name, known = kind.type_name(), fields(kind.upstream)
    # What the file does not say is what PEFT has for it.
    config = {n: each.default for n, each in known.items() if each.default is not None}
    config |= facts.config
    if kind.targets == "prompt":
        return f"PEFT trains no saved prompt further, and {name} is one"
    if kind.needs_steps:
        return f"the schedule of {name} has ended with its run"
    try:
        adapter: Adapter = create(AXIS, {"type": name, **kind.options_of(config)})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"its {where} is {first['input']}, which {name} of a recipe cannot have"
    ours = {*adapter.compile(Setting("causal_lm")).arguments, *kind.model_fields, *_OF_FILE}
    for key, value in facts.config.items():
        usual = (None, known[key].default) if key in known else ()
        if key not in ours and not _same(value, usual):
            return f"it was trained with {key} = {value}, which {name} of a recipe does not have"
    return adapter


def kind_of(facts: AdapterFacts) -> type[Adapter] | None:
    """The component of a saved adapter's method; a type is PEFT's own word in small letters."""
    kind = discover(AXIS).get(facts.peft_type.lower())
    return kind if kind is not None and issubclass(kind, Adapter) else None


def _same(value: Any, usual: tuple[Any, ...]) -> bool:
    return value in usual or (not value and not any(usual))


def _name(path: str) -> str:
    folder = Path(path)
    return folder.parent.name if folder.name == "model" else folder.name
