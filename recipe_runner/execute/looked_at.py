"""Looks at the model of a plan without its weights: its modules, and what a pass of it keeps.

Importing it imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute import fake
from recipe_runner.execute.codes import before
from recipe_runner.execute.failure import known
from recipe_runner.execute.fault import fault
from recipe_runner.execute.kept import Kept, Pass, kept, layers_of
from recipe_runner.execute.recomputed import options
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.execute.trace import skeleton
from recipe_runner.plan import Plan

_SEES = "AutoModelForImageTextToText"


@dataclass(frozen=True)
class LookedAt:
    """The modules of a model by their names, and what a pass keeps.

    `shapes` are those of the parameters that each module has itself, `kinds` says which modules
    are "linear", "transposed" (linear, and kept the other way round) and "embedding". `layers` is
    the name of the list of layers, `config` what the configuration says of text. `whole` is a pass
    that keeps all, `held` one that computes activations again as the plan says.
    """

    shapes: Mapping[str, Mapping[str, tuple[int, ...]]]
    kinds: Mapping[str, str]
    config: Mapping[str, Any]
    layers: str
    num_layers: int
    embeddings: str
    head: str | None
    tied: Mapping[str, str]
    whole: Kept
    held: Kept


class Untraceable(Exception):
    """What a model has that a trace cannot follow."""


@contextmanager
def told(plan: Plan) -> Iterator[None]:
    """Reports what fails within it: RR618, or what is known to be the matter."""
    try:
        yield
    except DiagnosticError:
        raise
    except Exception as error:
        # The code of a model, or of an adapter, may do anything.
        if (found := known(error, plan, Path())) is not None:
            raise DiagnosticError(found) from error
        lines = str(error).strip().splitlines() or [""]
        why = lines[0] if isinstance(error, Untraceable) else f"{type(error).__name__}: {lines[0]}"
        raise fault(
            before.NOT_TRACED,
            plan.recipe_path,
            f"{plan.model.name_or_path} cannot be traced: {why}",
            "what the plan says of its activations is the formula's, where it knows the model",
        ) from error


def look_at(plan: Plan, one: Pass) -> LookedAt:
    """Trace a pass of the plan's model. Reports RR618 where that cannot be done, with the reason."""
    with told(plan):
        return _look_at(plan, one)


def _look_at(plan: Plan, one: Pass) -> LookedAt:
    if plan.model.auto_class.endswith(_SEES):
        raise Untraceable("the pictures of a row have no one size")
    model = skeleton(plan, load_tokenizer(plan.tokenizer))
    body = fake.backbone(model)
    if body is model:
        raise Untraceable(f"{type(model).__name__} does not tell its layers from its head")
    layers = layers_of(body)
    if not layers:
        raise Untraceable(f"{type(model).__name__} has no list of layers")
    names = {id(module): name for name, module in model.named_modules()}
    kinds = {name: _kind(module) for name, module in model.named_modules()}
    whole = kept(plan, one)
    return LookedAt(
        shapes=dict(_shapes(model)),
        kinds={name: kind for name, kind in kinds.items() if kind},
        config=model.config.get_text_config().to_dict(),
        layers=names[id(layers[0])].rpartition(".")[0],
        num_layers=len(layers),
        embeddings=names[id(model.get_input_embeddings())],
        head=names.get(id(model.get_output_embeddings())),
        tied=_tied(model),
        whole=whole,
        held=kept(plan, one, recomputes=True) if options(plan) is not None else whole,
    )


def _shapes(model: Any) -> Iterator[tuple[str, Mapping[str, tuple[int, ...]]]]:
    for name, module in model.named_modules():
        own = {key: tuple(each.shape) for key, each in module.named_parameters(recurse=False)}
        if own:
            yield name, own


def _kind(module: Any) -> str:
    from transformers.pytorch_utils import Conv1D

    kinds = ((torch.nn.Linear, "linear"), (Conv1D, "transposed"), (torch.nn.Embedding, "embedding"))
    return next((name for kind, name in kinds if isinstance(module, kind)), "")


def _tied(model: Any) -> Mapping[str, str]:
    """Parameters that are the same as an earlier one, with its name."""
    first: dict[int, str] = {}
    tied = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) in first:
            tied[name] = first[id(parameter)]
        first.setdefault(id(parameter), name)
    return tied
