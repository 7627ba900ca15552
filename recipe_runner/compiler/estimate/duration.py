"""The time of an optimizer step on a machine that was measured.

A pass over a micro-batch multiplies and moves memory, on a GPU at least as long as Python takes to
ask for it; then the optimizer reads and writes what it keeps. Each is a count of operations or of
bytes over a rate, with an efficiency that was fitted to runs.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recipe_runner.compiler.estimate.kept import copies, kept_of
from recipe_runner.compiler.estimate.run import Run
from recipe_runner.compiler.estimate.work import Work, work_of

ERRORS = {"cpu": 0.2, "gpu": 0.3, "sharded": 0.4}
"""Expected error of the time on full rows, as a fraction."""

_PRODUCTS_CPU = 0.9
"""Share of the rate of large products that a model's products reach on a CPU.

Fitted to `python -m tests.runs.estimate.timed`, as are the other numbers of the CPU.
"""

_PRODUCTS_GPU = ((1024, 0.575), (4096, 0.8))
"""The same on a GPU, by hidden size; in between by its logarithm."""

_ATTENTION = 0.4
"""The same of attention. FlashAttention 2 reaches 0.35 to 0.45 on a GPU."""

_MOVES_CPU, _MOVES_GPU = 6.0, 3.0
"""Times that what is kept for the backward pass moves: written, read, and its gradient.

Norms and gates are several operations in plain torch, and a CPU computes them slower than it copies.
"""

_LOSS_CPU = 80
"""Bytes that move for each logit in plain torch, which writes a tile out several times."""

_TO_HOST = 2.5e10
"""Bytes per second between a GPU and page-locked memory of its host.

PCIe 4.0 has 32 GB/s each way, of which copies reach about four fifths.
"""

_HOST_PER_LAYER = 22e-3 / 36
"""Seconds in which Python asks for the operations of a layer, forth and back.

22 ms for 36 layers with LoRA in transformers' Trainer, on an H200's host.
"""

_HOST_AGAIN, _HOST_SELECTIVE = 1.5, 4.8
"""What computing a layer again adds to that, as a multiple, and what it adds where attention is kept.

Measured with 24 layers of 32 features with LoRA, which do little but ask: keeping attention goes
through Python for every operation.
"""

_DEQUANTIZED = 2.5
"""Bytes that move for a weight in 4 bits that becomes one of 16, in each pass."""


@dataclass(frozen=True)
class Speeds:
    """Rates of the device of one process: operations and bytes per second."""

    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Load:
    """What a step is, beside what a `Run` knows.

    `micro_batches` is how many a step has, and `beside` the parameters that train beside the
    model's own. `compares` is True where the model, or a copy of it as it was, scores each token
    once more; `others` are operations on a token of other models. `packed` weights are kept in 4
    or 8 bits.
    """

    micro_batches: int = 1
    beside: int = 0
    compares: bool = False
    others: float = 0.0
    packed: int = 0


def seconds_per_step(run: Run, load: Load, speeds: Speeds) -> float:
    """Seconds of an optimizer step on rows of full length."""
    parts = seconds_by_part(run, load, speeds)
    optimizer = parts["optimizer"]
    each = sum(parts.values()) - optimizer
    return load.micro_batches * max(each, _host(run)) + optimizer


def seconds_by_part(run: Run, load: Load, speeds: Speeds) -> Mapping[str, float]:
    """The same by what takes it: of one micro-batch, but for the optimizer."""
    return dict(_parts(run, load, speeds))


def _parts(run: Run, load: Load, speeds: Speeds) -> Iterator[tuple[str, float]]:
    architecture, length = run.architecture, run.forward.length
    work = work_of(architecture, run.trained, load.beside, length, flows=run.checkpointed > 0)
    again = run.again
    moves = _MOVES_CPU if run.forward.cpu else _MOVES_GPU
    products = work.products + work.head + work.layers_forward * again + load.others
    attention = work.attention + work.attention_forward * again * (not run.selective)
    if load.compares:
        products += work.layers_forward + work.head_forward
        attention += work.attention_forward
    # With a mask, or written out, the half of the scores that causality leaves out is made too.
    attention *= 2 if run.forward.masked or run.forward.eager else 1
    parts = {
        "products": products * run.tokens / (_efficiency(run) * speeds.flops),
        "attention": attention * run.tokens / (_ATTENTION * speeds.flops),
        "activations": (moves + again) * _kept(run) / speeds.bandwidth,
    }
    yield from parts.items()
    if not run.forward.cpu:
        yield "offloading", _offloading(run, sum(parts.values()))
    if run.forward.cpu:
        yield "loss", _LOSS_CPU * _logits(run, work) / speeds.bandwidth
    yield "weights", _weights(run, load) / speeds.bandwidth
    yield "optimizer", _optimizer(run) / speeds.bandwidth


def _efficiency(run: Run) -> float:
    if run.forward.cpu:
        return _PRODUCTS_CPU
    (small, low), (large, high) = _PRODUCTS_GPU
    size = min(max(run.architecture.hidden_size, small), large)
    return low + (high - low) * math.log(size / small) / math.log(large / small)


def _kept(run: Run) -> float:
    """Bytes that the forward pass of a micro-batch makes for the backward pass."""
    kept = kept_of(run)
    return sum(kept.whole) + kept.beside


def _offloading(run: Run, meanwhile: float) -> float:
    """Seconds of copies to the host and back, beyond the seconds that they are made `meanwhile`.

    transformers copies in line with the computation, TRL beside it.
    """
    states = run.forward.stream * run.architecture.hidden_size * run.tokens
    inputs = 2 * states * run.again * run.architecture.num_layers / _TO_HOST
    if run.offloads_all:
        whole = 2 * _kept(run) * (1 - run.again) / _TO_HOST
        return max(0.0, whole + inputs - meanwhile)
    return inputs if run.offloads else 0.0


def _weights(run: Run, load: Load) -> float:
    """Bytes of weights that a pass reads, forth and back, and of gradients that it writes."""
    passes = 2 + run.again
    unpacked = _DEQUANTIZED * load.packed
    cast = copies(run) * (1 + run.forward.stream / run.forward.compute)
    gradients = run.count * run.width * (3 if run.accumulates else 1)
    return passes * (run.base + unpacked + cast) + gradients


def _logits(run: Run, work: Work) -> float:
    head = run.architecture.head
    return run.scored * run.architecture.by_name[head].outputs if head and work.head else 0.0


def _optimizer(run: Run) -> float:
    """Bytes that move in an update: weights, gradients and state, and the norm of the gradients."""
    update = 3 * run.width + 2 * run.state
    norm = 3 * run.width
    return (update + norm) * run.count / run.shards.optimizer


def _host(run: Run) -> float:
    if run.forward.cpu:
        return 0.0
    more = _HOST_SELECTIVE if run.selective else _HOST_AGAIN
    return _HOST_PER_LAYER * run.architecture.num_layers * (1 + more * run.again)
