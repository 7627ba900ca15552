"""The memory of a process at the fullest moment of a step.

A step has moments that can be the fullest: after the forward pass, in the backward pass of the
loss, at its first and at its last layer, and when the optimizer updates. Each is a sum of the
same parts, and the largest sum is the peak.

It is that of steps after the first, when the optimizer has its state.
"""

from collections.abc import Iterator

from recipe_runner.compiler.estimate.activations import FLOAT32
from recipe_runner.compiler.estimate.architecture import Architecture
from recipe_runner.compiler.estimate.kept import after_forward, kept_of
from recipe_runner.compiler.estimate.kept import in_backward as through_layers
from recipe_runner.compiler.estimate.loss import (
    in_backward,
    in_forward,
    weight_gradient,
)
from recipe_runner.compiler.estimate.run import Run
from recipe_runner.plan import MemoryPlan

_MIB = 2**20

CONTEXT = 600 * _MIB
"""CUDA's context and kernels. Between 500 and 800 MB on current GPUs."""

WORKSPACES = 96 * _MIB
"""Workspaces of cuBLAS: 32 MiB on Hopper for each handle and stream."""

COMMUNICATION = 1024 * _MIB
"""NCCL's channels and buffers; between 0.3 and 2 GB."""

LIBRARIES = 32 * _MIB
"""What libraries take on a CPU beside tensors once a step runs, above what importing them takes."""

FRAGMENTED = 0.04
"""Share of what is allocated that the caching allocator cannot use."""

BUCKET = 5 * 10**8
"""Numbers in a bucket of DeepSpeed, of which there are two."""


def memory(run: Run, limit: int | None = None) -> MemoryPlan:
    """The parts at the fullest moment of a step; `limit` is the memory of the device, in bytes."""
    fullest = max(_moments(run), key=lambda moment: moment.total)
    moving = fullest.gradients + fullest.activations + fullest.logits
    return MemoryPlan(
        weights=fullest.weights,
        gradients=fullest.gradients,
        optimizer=fullest.optimizer,
        activations=fullest.activations,
        logits=fullest.logits,
        buffers=fullest.buffers
        + _fixed(run)
        + (0 if run.forward.cpu else round(FRAGMENTED * moving)),
        limit=limit,
    )


def _moments(run: Run) -> Iterator[MemoryPlan]:
    shards, kept = run.shards, kept_of(run)
    saved = after_forward(run, kept) + kept.beside
    gradients = run.count * run.width / shards.gradients
    before = gradients if run.accumulates else 0.0
    head = weight_gradient(run) / shards.gradients
    table = _table(run)
    everywhere = kept.copies
    # Weights that train are cast once for the whole forward pass; what the backward pass needs
    # of the copies is kept, but for layers that are computed again, which make them anew.
    one = everywhere / max(1, len(kept.whole)) if run.checkpointed else 0.0
    later = everywhere * (1 - run.again) + one

    yield _moment(run, everywhere, before, saved, in_forward(run))
    yield _moment(run, later, before, saved, in_backward(run))
    yield _moment(run, later, before + head, through_layers(run, kept) + _working(run), 0)
    last = kept.whole[0] if kept.whole else 0.0
    yield _moment(run, later, gradients + table, last + _working(run), 0)
    yield _moment(run, 0, gradients + run.step * run.count / shards.optimizer, 0, 0)


def _moment(
    run: Run, copied: float, gradients: float, activations: float, logits: float
) -> MemoryPlan:
    shards = run.shards
    base = 0 if shards.offloaded_weights else run.base / shards.weights
    state = 0 if shards.offloaded_optimizer else run.count * run.state / shards.optimizer
    return MemoryPlan(
        weights=round(base + run.beside + copied + _gathered(run)),
        gradients=round(gradients),
        optimizer=round(state),
        activations=round(activations),
        logits=round(logits),
        buffers=round(_buckets(run)),
    )


def _working(run: Run) -> float:
    """What the backward pass of one layer needs besides what is kept.

    Gradients of the gate and of what runs between the layers; of the scores, where those are
    written out, in the type of the products and twice in float32.
    """
    forward, architecture = run.forward, run.architecture
    widest = max((m.outputs for layer in architecture.by_layer for m in layer), default=0)
    inner = max(widest, architecture.hidden_size)
    each = 3 * forward.compute * inner + 2 * forward.stream * architecture.hidden_size
    if forward.eager:
        each += forward.length * architecture.heads * (2 * FLOAT32 + forward.compute)
    return each * run.tokens


def _table(run: Run) -> float:
    """A second gradient of the embeddings, which is added to the first: that of a tied head."""
    architecture = run.architecture
    table = architecture.by_name[architecture.embeddings]
    trains = run.trained.weight_of(table)
    twice = run.accumulates or f"{architecture.head}.weight" in architecture.tied
    return table.size * run.width if trains and twice else 0.0


def _gathered(run: Run) -> float:
    """Weights that are gathered for a moment: two layers, and the embeddings with the head."""
    if not run.shards.units:
        return 0.0
    architecture = run.architecture
    layer = max((sum(m.size for m in each) for each in architecture.by_layer), default=0)
    return (2 * layer + _ends(architecture)) * run.forward.compute


def _ends(architecture: Architecture) -> int:
    inside = sum(m.size for layer in architecture.by_layer for m in layer)
    return architecture.total - inside


def _buckets(run: Run) -> float:
    shards = run.shards
    if shards.buckets:
        return run.count * run.width
    if shards.optimizer > 1 and not shards.units:
        return 2 * min(run.count, BUCKET) * run.forward.compute
    return 0.0


def _fixed(run: Run) -> int:
    if run.forward.cpu:
        return LIBRARIES
    return CONTEXT + WORKSPACES + (COMMUNICATION if run.shards.processes > 1 else 0)
