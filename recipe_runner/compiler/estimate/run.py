"""A run in the numbers that its memory follows from."""

from dataclasses import dataclass

from recipe_runner.compiler.estimate.activations import Forward, Trained
from recipe_runner.compiler.estimate.architecture import Architecture


@dataclass(frozen=True)
class Shards:
    """How many processes share a part of the state; 1 where each has all of it.

    `units` is True where weights are gathered for a layer at a time, `buckets` where gradients
    are copied into buckets that are sent. `offloaded` is True where weights and the state of the
    optimizer lie in the memory of the host.
    """

    processes: int = 1
    weights: int = 1
    gradients: int = 1
    optimizer: int = 1
    units: bool = False
    buckets: bool = False
    offloaded_weights: bool = False
    offloaded_optimizer: bool = False


@dataclass(frozen=True)
class Run:
    """What one process computes and holds. Sizes are in bytes, unless said otherwise.

    `tokens` are those of a micro-batch, `scored` those whose probabilities the loss takes, of
    them. `base` is the loaded model, `beside` other models. `count` parameters train, each
    `width` bytes wide, and the optimizer keeps `state` bytes for each and `step` more while it
    updates. `accumulates` is True where a step has several micro-batches.

    `checkpointed` is the distance of the layers whose activations are computed again, 0 for none;
    `offloads` is True where what they keep goes to the memory of the host. `tiled` is True where
    the loss is computed in tiles, without all logits.
    """

    architecture: Architecture
    trained: Trained
    forward: Forward
    tokens: int
    scored: int
    base: int
    count: int
    width: int
    state: float
    step: float = 0.0
    beside: int = 0
    accumulates: bool = False
    checkpointed: int = 0
    offloads: bool = False
    tiled: bool = True
    shards: Shards = Shards()
