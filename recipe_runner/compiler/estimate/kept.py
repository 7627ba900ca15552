"""What a micro-batch keeps for its backward pass on the device of a process, layer by layer.

It comes from the formula, or from a trace of the real model (`recipe-run plan --trace`).
"""

from collections.abc import Mapping

from recipe_runner.compiler.estimate.activations import (
    casts_anew,
    kept_at_ends,
    kept_by_layers,
    kept_of_attention,
)
from recipe_runner.compiler.estimate.run import Kept, Run

STASHED = 5
"""Tensors that TRL keeps on the device while it copies them to the host (`max_fwd_stash_size`)."""


def kept_of(run: Run) -> Kept:
    """What a run keeps: as it was traced, or as the formula tells."""
    return run.traced or told(run)


def told(run: Run) -> Kept:
    """What the formula tells."""
    architecture, forward, tokens = run.architecture, run.forward, run.tokens
    # Where layers are computed again, transformers lets the gradient go down to the embeddings.
    flows = run.checkpointed > 0
    whole = kept_by_layers(architecture, run.trained, forward, flows=flows)
    short = _between(run) + (kept_of_attention(architecture, forward) if run.selective else 0.0)
    held = (short if run.recomputes(index) else each for index, each in enumerate(whole))
    return Kept(
        whole=tuple(each * tokens for each in whole),
        held=tuple(each * tokens for each in held),
        beside=kept_at_ends(architecture, run.trained, forward) * tokens,
        copies=copies(run),
    )


def copies(run: Run) -> int:
    """Bytes of the copies that autocast makes of weights, in the type of the products.

    Where weights are gathered for a layer at a time, they come in that type.
    """
    forward = run.forward
    if not forward.autocast or forward.stream == forward.compute or run.shards.units:
        return 0
    architecture = run.architecture
    sizes = sum(
        m.size
        for layer in architecture.by_layer
        for m in layer
        if m not in casts_anew(architecture, layer, run.trained, forward)
        and (m.kind == "linear" or "gate_up_proj" in m.shapes)
    )
    return sizes * forward.compute


def after_forward(run: Run, kept: Kept) -> float:
    """What is on the device when all layers are done, beside the ends."""
    return sum(_here(run, kept).values()) + _on_its_way(run, kept)


def in_backward(run: Run, kept: Kept) -> float:
    """The most that is there while gradients come down through the layers.

    A layer that is computed again has all of its activations meanwhile, and those above it are
    done by then.
    """
    below = peak = 0.0
    for index, each in _here(run, kept).items():
        below += each
        peak = max(peak, below + (kept.whole[index] if run.recomputes(index) else 0.0))
    return peak + _on_its_way(run, kept)


def _between(run: Run) -> int:
    """Bytes per token of what runs between the layers."""
    return run.forward.stream * run.architecture.hidden_size


def _here(run: Run, kept: Kept) -> Mapping[int, float]:
    """What of each layer stays on the device."""
    inputs = _between(run) * run.tokens if run.offloads or run.offloads_all else 0
    found = {}
    for index, each in enumerate(kept.held):
        here = each - inputs if run.recomputes(index) else each * (not run.offloads_all)
        found[index] = max(0.0, here)
    return found


def _on_its_way(run: Run, kept: Kept) -> float:
    """What is on the device of that which goes to the memory of the host."""
    if run.offloads_all and not run.checkpointed:
        return max(kept.whole, default=0.0)
    if run.offloads_all or run.offloads:
        most = STASHED if run.offloads_all else 2
        return float(min(most, len(kept.held)) * _between(run) * run.tokens)
    return 0.0
