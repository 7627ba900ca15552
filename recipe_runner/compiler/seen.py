"""A model that somebody has looked at, in place of one that its configuration tells of.

The modules come from a model without weights (`execute/kept.py`). Their names say nothing here
of how they compute: what they keep was traced.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipe_runner.compiler.estimate.architecture import Architecture, Module
from recipe_runner.compiler.estimate.run import Kept
from recipe_runner.compiler.estimate.values import Values


@dataclass(frozen=True)
class Seen:
    """The modules of a model, the parameters that train, its adapter's among them, and what it keeps."""

    architecture: Architecture
    trained: int
    kept: Kept


def architecture_seen(
    shapes: Mapping[str, Mapping[str, tuple[int, ...]]],
    kinds: Mapping[str, str],
    config: Mapping[str, Any],
    *,
    layers: str,
    num_layers: int,
    embeddings: str,
    head: str | None,
    tied: Mapping[str, str],
) -> Architecture:
    """The architecture of a model with these modules, by their names.

    `shapes` are those of the parameters that each has itself, `kinds` says which are "linear",
    "transposed" (linear, and kept the other way round) and "embedding". `layers` is the name of
    the list of its `num_layers` layers, `config` what its configuration says of text.
    """
    values = Values(config, {})
    modules = tuple(_module(name, kinds.get(name, ""), each) for name, each in shapes.items())
    return Architecture(
        family=str(config.get("model_type", "")),
        modules=modules,
        embeddings=embeddings,
        hidden_size=values.hidden,
        num_layers=num_layers,
        key_value_size=values.key_value_heads * values.head_dim,
        head=head,
        tied=tied,
        layers=layers,
        heads=values.heads,
        experts_per_token=int(values["num_experts_per_tok"] or 0),
    )


def _module(name: str, kind: str, shapes: Mapping[str, tuple[int, ...]]) -> Module:
    weight = shapes.get("weight", ())
    if kind == "linear":
        return Module(name, "linear", shapes, weight[0], weight[1])
    if kind == "transposed":
        return Module(name, "linear", shapes, weight[1], weight[0])
    if kind == "embedding":
        return Module(name, "embedding", shapes, weight[1], weight[0])
    return Module(name, "norm" if len(weight) == 1 else "other", shapes)
