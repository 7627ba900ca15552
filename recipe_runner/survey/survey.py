"""Looks at everything that a recipe names, without torch and without a network.

The result is plain facts; `compiler` decides from them and reads nothing itself.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from recipe_runner.components.other_model import OtherModel
from recipe_runner.components.packages import Package
from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Related
from recipe_runner.recipe.schema import Recipe
from recipe_runner.recipe.sections import EvalSplit, SourceSpec
from recipe_runner.survey.adapter import AdapterFacts, demand_whole, survey_adapter
from recipe_runner.survey.code import CodeFacts, survey_code
from recipe_runner.survey.codes import OUTPUT_DISK_FULL, OUTPUT_NOT_WRITABLE
from recipe_runner.survey.data import SourceFacts, survey_source
from recipe_runner.survey.golden import GoldenFacts, survey_golden
from recipe_runner.survey.model import ModelFacts, survey_model, vocabulary_of
from recipe_runner.survey.packages import packages_of_levers
from recipe_runner.survey.paths import UnusablePathError, located
from recipe_runner.survey.template import TemplateFacts, survey_template
from recipe_runner.syntax import Document
from recipe_runner.syntax import Path as KeyPath

T = TypeVar("T")

_ANOTHER = "choose a folder that you can write to"

CONTINUED, BASE = "adapter", "model.adapter"
"""The sections that name a trained adapter: one to train further, and one of the base."""

_SMALLEST_ROOM = 64 << 20
"""Bytes below which a disk counts as full."""


@dataclass(frozen=True)
class Surroundings:
    """What is around a recipe: its data, its model, its tokenizer; None where something is missing.

    `others` are the models beside the one that trains by their role ("teacher_model",
    "rewards.0"), `code` the user's own files by what asks for them. `vocabulary` are the tokens
    of the tokenizer where the recipe changes it, empty where they are those of the model.
    `adapters` are trained ones by the section that names them: `CONTINUED` or `BASE`. `packages`
    are optional ones that this machine has.
    """

    train: tuple[SourceFacts | None, ...]
    eval: tuple[SourceFacts | None, ...]
    model: ModelFacts | None
    tokenizer: ModelFacts | None
    template: TemplateFacts | None
    golden: GoldenFacts | None = None
    others: Mapping[str, ModelFacts] = field(default_factory=dict)
    code: Mapping[str, CodeFacts] = field(default_factory=dict)
    vocabulary: frozenset[str] = frozenset()
    adapters: Mapping[str, AdapterFacts] = field(default_factory=dict)
    packages: Mapping[str, Package] = field(default_factory=dict)


def survey(
    recipe: Recipe, document: Document, base: Path, cwd: Path, *, all_rows: bool = False
) -> tuple[Surroundings, tuple[Diagnostic, ...]]:
    """Look around. `base` is the recipe's folder, `cwd` that of `output_dir`. Reports RR401-RR413."""
    findings: list[Diagnostic] = []

    def attempt(look: Callable[[], T]) -> T | None:
        try:
            return look()
        except DiagnosticError as error:
            findings.extend(error.diagnostics)
            return None

    def source(spec: SourceSpec, key: str, index: int) -> SourceFacts | None:
        place = document.place(_spec_path(document, key, index))
        try:
            return survey_source(spec, base, place, all_rows=all_rows)
        except DiagnosticError as error:
            named = Related("the data set is named here", place)
            findings.extend(
                # One that is in the recipe is at its place, and one of a secret shows no line.
                found
                if found.place.path == place.path
                else replace(found, related=(*found.related, named))
                for found in error.diagnostics
            )
            return None

    def sources(specs: tuple[SourceSpec, ...], key: str) -> tuple[SourceFacts | None, ...]:
        return tuple(source(spec, key, index) for index, spec in enumerate(specs))

    evaluation = (
        ()
        if recipe.data.eval is None or isinstance(recipe.data.eval, EvalSplit)
        else recipe.data.eval
    )
    name = recipe.model.name_or_path
    at = document.place(_name_path(document, "model"))
    model = attempt(lambda: demand_whole(name, survey_model(name, base, "models", at), at))
    tokenizer = model
    if recipe.tokenizer.name_or_path is not None:
        other = recipe.tokenizer.name_or_path
        place = document.place(_name_path(document, "tokenizer"))
        tokenizer = attempt(lambda: survey_model(other, base, "tokenizers", place))
    wanted = recipe.tokenizer.chat_template
    template = attempt(
        lambda: survey_template(wanted, base, document.place(("tokenizer", "chat_template")))
    )
    findings.extend(_output(recipe, document, cwd))
    golden = None
    if document.path != "<stdin>":
        file = base / Path(document.path).name
        golden = attempt(lambda: survey_golden(file, document.path, tokenizer))
    train = sources(recipe.data.train, "train")
    held = sources(evaluation, "eval")
    others, code = {}, {}
    for role, path, asked in _others(recipe):
        where = path if path in document.spans else path[:-1]
        place = document.place(where)
        looked = attempt(partial(survey_model, asked.name_or_path, base, "models", place))
        if looked is not None:
            others[role] = looked
    for number, reward in enumerate(recipe.rewards):
        if reward.code is not None:
            place = document.place(_reward_path(document, number, "path"))
            read = attempt(partial(survey_code, *reward.code, base, place))
            if read is not None:
                code[f"rewards.{number}"] = read
    adapters = {}
    for role, path, wished in _adapters(recipe):
        place = document.place(path if path in document.spans else path[:-1])
        seen = attempt(partial(survey_adapter, wished, base, place))
        if seen is not None:
            adapters[role] = seen
    changed = recipe.tokenizer.name_or_path or recipe.tokenizer.add_tokens
    special = recipe.tokenizer.special_tokens.model_dump(exclude_none=True)
    known = vocabulary_of(tokenizer) if tokenizer and (changed or special) else frozenset()
    return Surroundings(
        train,
        held,
        model,
        tokenizer,
        template,
        golden,
        others,
        code,
        known,
        adapters,
        packages_of_levers(),
    ), tuple(findings)


def _adapters(recipe: Recipe) -> Iterator[tuple[str, KeyPath, str]]:
    """Trained adapters that the recipe names: role, path of the name in the recipe, the name."""
    if recipe.model.adapter is not None:
        yield BASE, ("model", "adapter", "path"), recipe.model.adapter.path
    if recipe.adapter is not None and recipe.adapter.continues is not None:
        yield CONTINUED, ("adapter", "path"), recipe.adapter.continues


def _others(recipe: Recipe) -> Iterator[tuple[str, KeyPath, OtherModel]]:
    """Models beside the one that trains: role, path of the name in the recipe, what is asked for."""
    for role, model in recipe.algorithm.models().items():
        yield role, ("algorithm", role, "name_or_path"), model
    for number, reward in enumerate(recipe.rewards):
        if reward.model is not None:
            yield f"rewards.{number}", ("rewards", number, "model", "name_or_path"), reward.model


def _reward_path(document: Document, number: int, key: str) -> KeyPath:
    """Where a key of a reward stands, in any of the forms a recipe may use."""
    for path in (("rewards", number, key), ("rewards", key), ("rewards", number)):
        if path in document.spans:
            return path
    return ("rewards",)


def _spec_path(document: Document, key: str, index: int) -> KeyPath:
    """Where the path of a data set stands, in any of the forms a recipe may use."""
    for path in (("data", key, index, "path"), ("data", key, index), ("data", key, "path")):
        if path in document.spans:
            return path
    return ("data", key)


def _name_path(document: Document, section: str) -> KeyPath:
    full = (section, "name_or_path")
    return full if full in document.spans else (section,)


def _output(recipe: Recipe, document: Document, cwd: Path) -> list[Diagnostic]:
    place = document.place(("output_dir",))
    try:
        existing = located(recipe.output_dir, cwd)
    except UnusablePathError as error:
        message = f"`output_dir` is {recipe.output_dir}, which cannot be written to: {error}"
        return [Diagnostic(OUTPUT_NOT_WRITABLE, message, place, _ANOTHER)]
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        reason = f"`{existing}` is a file"
    elif not os.access(existing, os.W_OK | os.X_OK) or os.statvfs(existing).f_flag & os.ST_RDONLY:
        reason = f"`{existing}` cannot be written to"
    elif (free := shutil.disk_usage(existing).free) < _SMALLEST_ROOM:
        message = (
            f"`output_dir` is {recipe.output_dir}, but its disk has {free / 2**20:.1f} MiB left"
        )
        help_text = "choose a folder on a disk with room"
        return [Diagnostic(OUTPUT_DISK_FULL, message, place, help_text)]
    else:
        return []
    message = f"`output_dir` is {recipe.output_dir}, but {reason}"
    return [Diagnostic(OUTPUT_NOT_WRITABLE, message, place, _ANOTHER)]
