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
class Kept:
    """What a micro-batch keeps for its backward pass, in bytes, layer by layer.

    `whole` is what each layer keeps where it is not computed again. `held` is what each keeps in
    the run between its forward and its backward pass, wherever that lies. `beside` is what the
    embeddings, the rotations and the last norm keep, `copies` are weights in the type of the
    products.
    """

    whole: tuple[float, ...]
    held: tuple[float, ...]
    beside: float
    copies: float


@dataclass(frozen=True)
class Run:
    """What one process computes and holds. Sizes are in bytes, unless said otherwise.

    `tokens` are those of a micro-batch, `scored` those whose probabilities the loss takes, of
    them. `base` is the loaded model, `beside` other models. `count` parameters train, each
    `width` bytes wide, and the optimizer keeps `state` bytes for each and `step` more while it
    updates. `accumulates` is True where a step has several micro-batches.

    `checkpointed` is the distance of the layers whose activations are computed again, 0 for none;
    `selective` is True where those keep what their attention gave, and `offloads` where what they
    keep of their input goes to the memory of the host. `offloads_all` is True where all that is
    kept goes there. `tiled` is True where the loss is computed in tiles, without all logits;
    `once` where each tile gives its gradient as soon as it is there, and `sums_up` where those
    of the head's weights can be added up at once, because all tokens weigh the same.
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
    selective: bool = False
    offloads: bool = False
    offloads_all: bool = False
    tiled: bool = True
    once: bool = False
    sums_up: bool = False
    shards: Shards = Shards()
    traced: Kept | None = None

    @property
    def again(self) -> float:
        """Share of the layers that are computed again."""
        layers = self.architecture.num_layers
        return -(-layers // self.checkpointed) / layers if self.checkpointed else 0.0

    def recomputes(self, index: int) -> bool:
        """True for a layer that is computed again; transformers counts from the first one."""
        return bool(self.checkpointed) and index % self.checkpointed == 0
