"""Floating point operations of training on one token."""

from dataclasses import dataclass

from recipe_runner.compiler.estimate.activations import Trained
from recipe_runner.compiler.estimate.architecture import Architecture, Module

_ATTENTION = 3.5
"""Passes of the attention: a forward one, and a backward one that makes the scores again."""


@dataclass(frozen=True)
class Work:
    """Operations on one token: in products with weights, in those of the head, and in attention.

    `layers_forward` and `attention_forward` are those of a forward pass through the layers, which
    checkpointing does a second time, and `head_forward` is what the head adds to it.
    """

    products: float
    head: float
    attention: float
    layers_forward: float
    head_forward: float
    attention_forward: float

    @property
    def total(self) -> float:
        """All of them, without checkpointing."""
        return self.products + self.head + self.attention


def flops_per_token(architecture: Architecture, trained: Trained, count: int, length: int) -> float:
    """Operations for a token of a row of `length` tokens, without checkpointing."""
    return work_of(architecture, trained, count, length).total


def work_of(
    architecture: Architecture, trained: Trained, count: int, length: int, *, flows: bool = False
) -> Work:
    """The operations for a token of a row of `length` tokens.

    With `flows` the gradient goes down to the embeddings whatever trains.

    A product with a weight is two operations in the forward pass, two for the gradient of its
    input and two for that of its weight, where those are needed. `count` parameters train beside
    the model's own.

    Source: arXiv 2001.08361 (6 N); causal attention sees half of a row.
    """
    flows = flows or trained.within(architecture.below(architecture.embeddings))
    total, forward, deep = 0.0, 0.0, 0
    for layer in architecture.by_layer:
        flows = flows or trained.within(layer)
        deep += flows
        for module in layer:
            passes = 2 + 2 * flows + 2 * _trains(module, trained)
            total += passes * _used(module, architecture)
            forward += 2 * _used(module, architecture)
    ends = [
        m for m in architecture.modules if m.name in (architecture.head, architecture.classifier)
    ]
    queries = max(
        (m.inputs for layer in architecture.by_layer for m in layer if _writes(m)),
        default=architecture.hidden_size,
    )
    plain = architecture.num_layers - deep
    scores = 2 * length * queries
    return Work(
        products=total + 6 * count,
        head=float(sum((4 + 2 * _trains(m, trained)) * m.size for m in ends)),
        attention=(_ATTENTION * deep + plain) * scores,
        layers_forward=forward + 2 * count,
        head_forward=float(sum(2 * m.size for m in ends)),
        attention_forward=float(architecture.num_layers * scores),
    )


def _writes(module: Module) -> bool:
    return module.name.endswith(("o_proj", "attn.c_proj", "attention.dense", "out_proj"))


def _trains(module: Module, trained: Trained) -> bool:
    return any(f"{module.name}.{key}" in trained.parameters for key in module.shapes)


def _used(module: Module, architecture: Architecture) -> float:
    """Numbers that a token is multiplied with; of experts those that see it."""
    if module.kind == "linear":
        return module.size
    if module.kind != "other" or "gate_up_proj" not in module.shapes:
        return module.size if module.kind == "other" else 0
    return module.size / module.shapes["gate_up_proj"][0] * architecture.experts_per_token
