"""Floating point operations of training on a token, counted from the sizes of the model alone.

Counts what the mathematics needs and nothing that is computed twice, so that recomputed layers do
not count as work: 6 for each weight that trains and token, 4 for one that is frozen (no gradient
of its own), and 3.5 times the forward pass of causal attention, of which the backward pass of
flash attention is 2.5. Independent of the estimate in `recipe_runner.compiler`.
"""

from __future__ import annotations

from benchmarks.jobs import Job, Shape

RANK = 16
"""Of the adapters of all jobs."""

NOMINAL = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "B200": 2250e12}
"""Dense bfloat16 operations per second by the makers' data sheets."""


def matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each matrix of a layer."""
    queries = shape.num_attention_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    hidden, inner = shape.hidden_size, shape.intermediate_size
    return {
        "q": (hidden, queries),
        "k": (hidden, keys),
        "v": (hidden, keys),
        "o": (queries, hidden),
        "gate": (hidden, inner),
        "up": (hidden, inner),
        "down": (inner, hidden),
    }


def multiplied(shape: Shape) -> int:
    """Weights that a token is multiplied with: all matrices and the head, not the embedding."""
    layer = sum(rows * columns for rows, columns in matrices(shape).values())
    return layer * shape.num_hidden_layers + shape.hidden_size * shape.vocab_size


def adapter(shape: Shape) -> int:
    """Weights of a low-rank adapter on all matrices of the layers."""
    layer = sum(RANK * (rows + columns) for rows, columns in matrices(shape).values())
    return layer * shape.num_hidden_layers


def flops_per_token(job: Job, seen: float) -> float:
    """Operations per real token. `seen` is the mean length of a row over tokens.

    That is the sum of squared lengths over the sum of lengths, so that attention of rows of
    different length is counted as what it is.
    """
    shape = job.shape
    products = 6 * multiplied(shape)
    if job.adapter:
        products = 4 * multiplied(shape) + 6 * adapter(shape)
    queries = shape.num_attention_heads * shape.head_dim
    return products + 3.5 * 2 * seen * queries * shape.num_hidden_layers


def nominal(device: str) -> float | None:
    """Operations per second of a device by its name; None for one that is not known."""
    return next((rate for name, rate in NOMINAL.items() if name in device.upper()), None)
