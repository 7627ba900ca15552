"""The modules of a model: their names and the shapes of their parameters."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Kind = Literal["linear", "embedding", "norm", "other"]


@dataclass(frozen=True)
class Module:
    """A module with parameters of its own, by the name it has in the model.

    `inputs` and `outputs` are features of a linear layer; of an embedding they are its rows
    and its width.
    """

    name: str
    kind: Kind
    shapes: Mapping[str, tuple[int, ...]]
    outputs: int = 0
    inputs: int = 0

    @property
    def size(self) -> int:
        """Its parameters, biases included."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def ending(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Architecture:
    """A model. `head` is the layer that writes tokens, `classifier` the one that judges.

    `tied` are parameters that are the same as another one. `key_value_size` is what one
    token has as keys in one layer, in numbers.

    The rest says how the layers compute: `layers` is the name of their list, `heads` counts those
    of the queries, `activation` names the function inside the feed-forward layers, as
    transformers does. `offset_norms` is True where norms multiply by one plus their factors, in
    float32, `parallel` where attention and feed-forward layers read the same tensor, `drops`
    where some of what each of the two gives is dropped in training. `experts_per_token` is how
    many experts see a token.
    """

    family: str
    modules: tuple[Module, ...]
    embeddings: str
    hidden_size: int
    num_layers: int
    key_value_size: int
    head: str | None = None
    classifier: str | None = None
    tied: Mapping[str, str] = field(default_factory=dict)
    layers: str = ""
    heads: int = 0
    activation: str = "silu"
    offset_norms: bool = False
    parallel: bool = False
    drops: bool = False
    experts_per_token: int = 0

    @cached_property
    def by_layer(self) -> tuple[tuple[Module, ...], ...]:
        """The modules of each layer, in order."""
        start = f"{self.layers}."
        found: dict[str, list[Module]] = {}
        for module in self.modules:
            if module.name.startswith(start):
                found.setdefault(module.name[len(start) :].partition(".")[0], []).append(module)
        return tuple(tuple(modules) for modules in found.values())

    @cached_property
    def by_name(self) -> Mapping[str, Module]:
        """The modules by their names."""
        return {module.name: module for module in self.modules}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every module's name and that of everything that holds one, as PEFT sees them."""
        known: dict[str, None] = {}
        for module in self.modules:
            parts = module.name.split(".")
            for count in range(1, len(parts) + 1):
                known[".".join(parts[:count])] = None
        return tuple(known)

    @cached_property
    def parameters(self) -> Mapping[str, int]:
        """Numbers in each parameter by its name; one that is tied to another is not there."""
        return {
            name: math.prod(shape)
            for module in self.modules
            for key, shape in module.shapes.items()
            if (name := f"{module.name}.{key}") not in self.tied
        }

    @property
    def total(self) -> int:
        """All parameters, each once."""
        return sum(self.parameters.values())

    @property
    def has_experts(self) -> bool:
        """True where it has experts, whose weights are no modules."""
        return any(module.kind == "other" for module in self.modules)

    def below(self, name: str) -> Iterator[Module]:
        """The module of that name, and those that it holds."""
        return (m for m in self.modules if m.name == name or m.name.startswith(f"{name}."))


def linear(name: str, outputs: int, inputs: int, *, bias: bool = False) -> Module:
    """A linear layer."""
    shapes: dict[str, tuple[int, ...]] = {"weight": (outputs, inputs)}
    return Module(name, "linear", shapes | _bias(outputs, bias), outputs, inputs)


def transposed(name: str, outputs: int, inputs: int) -> Module:
    """A linear layer that keeps its weight the other way round, as GPT-2's do."""
    return Module(
        name, "linear", {"weight": (inputs, outputs), "bias": (outputs,)}, outputs, inputs
    )


def embedding(name: str, rows: int, width: int) -> Module:
    """A table of vectors."""
    return Module(name, "embedding", {"weight": (rows, width)}, width, rows)


def norm(name: str, width: int, *, bias: bool = False) -> Module:
    """A normalisation with its factors."""
    return Module(name, "norm", {"weight": (width,)} | _bias(width, bias))


def _bias(width: int, bias: bool) -> dict[str, tuple[int, ...]]:
    return {"bias": (width,)} if bias else {}
