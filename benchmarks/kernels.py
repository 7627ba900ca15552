"""What a device gives at most, and its parts: products, copies, attention, the loss head.

Each takes a few seconds, and yields JSON lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.timing import Memory, Stopwatch

_IGNORED = 0.3
"""Share of the tokens that have no label."""


def calibrated(device: str, tiny: bool, seconds: float) -> Iterator[dict[str, Any]]:
    """Products of matrices and copies, then attention over one length and over many."""
    from recipe_runner.execute.calibrate import copies, products

    share = 0.0 if tiny else seconds / 6
    # A CPU may have to imitate bfloat16, which would be slow and say nothing.
    for kind in ("float32",) if device == "cpu" else ("bfloat16", "float32"):
        rate = products(device, kind, share)
        yield {"what": f"products, {kind}", "tflops": rate / 1e12}
    yield {"what": "copies", "gb_per_second": copies(device, share) / 1e9}
    yield from _attention(device, tiny, share)


def _attention(device: str, tiny: bool, seconds: float) -> Iterator[dict[str, Any]]:
    """Forward and backward pass of causal attention: rows of one length, and documents of many.

    B: rows, H: heads, T: tokens of a row, D: size of a head.
    """
    import torch

    from recipe_runner.execute.attention.segments import attend

    rows, heads, tokens, size = (2, 2, 64, 16) if tiny else (4, 32, 4096, 128)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    torch.manual_seed(0)

    def inputs(*shape: int) -> list[Any]:
        made = (torch.randn(*shape, device=device, dtype=dtype) for _ in range(3))
        return [each.requires_grad_() for each in made]

    padded = inputs(rows, heads, tokens, size)

    def one_length() -> None:
        found = torch.nn.functional.scaled_dot_product_attention(*padded, is_causal=True)
        found.sum().backward()

    joined = inputs(1, heads, rows * tokens, size)
    # Documents of a sixteenth of a row up to a whole one, over and over.
    sizes: list[int] = []
    left = rows * tokens
    while left:
        sizes.append(min(left, tokens * (1, 16, 4, 2)[len(sizes) % 4] // 16))
        left -= sizes[-1]
    borders = torch.tensor([0, *sizes], dtype=torch.int32, device=device).cumsum(
        0, dtype=torch.int32
    )
    known: dict[str, Any] = {"cu_seq_lens_q": borders, "cu_seq_lens_k": borders}
    known |= {"max_length_q": max(sizes), "max_length_k": max(sizes)}
    query, key, value = joined

    def many() -> None:
        found, _ = attend(torch.nn.Module(), query, key, value, None, **known)
        found.sum().backward()

    for name, work, squares in (
        ("attention, rows of one length", one_length, rows * tokens**2),
        ("attention, documents", many, sum(length**2 for length in sizes)),
    ):
        least = fastest(work, device, seconds)
        # Two products forward and five backward, of which a causal mask needs half.
        work_done = 3.5 * 2 * heads * size * squares
        yield {"what": name, "tflops": work_done / least / 1e12, "milliseconds": least * 1000}


def heads(device: str, tiny: bool, seconds: float) -> Iterator[dict[str, Any]]:
    """The output head with its loss, forward and backward: all logits at once, TRL's, Liger's.

    A frozen head, as with adapters. N: tokens, H: features, V: words.
    """
    import torch

    tokens, features, words = (64, 32, 512) if tiny else (8192, 4096, 151_936)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    draw = torch.Generator(device).manual_seed(0)
    weight = torch.randn(words, features, device=device, dtype=dtype, generator=draw) * 0.02
    hidden = torch.randn(tokens, features, device=device, dtype=dtype, generator=draw)
    hidden.requires_grad_()
    labels = torch.randint(words, (tokens,), device=device, generator=draw)
    labels[: round(tokens * _IGNORED)] = -100
    for name, loss_of in _heads(device).items():
        memory = Memory(device)
        memory.begin()
        found: list[float] = []

        def step(loss_of: Callable[..., Any] = loss_of, found: list[float] = found) -> None:
            hidden.grad = None
            loss = loss_of(hidden, weight, labels)
            loss.backward()
            found.append(float(loss.detach()))

        least = fastest(step, device, 0 if tiny else seconds / 4)
        yield {
            "what": f"head, {name}",
            "milliseconds": least * 1000,
            "peak_mib": memory.peak()["allocated"],
            "losses": found[:1],
        }


def _heads(device: str) -> dict[str, Callable[..., Any]]:
    import importlib.util

    import torch
    from trl.kernels import ChunkedLogProbFunction

    def naive(hidden: Any, weight: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy((hidden @ weight.t()).float(), labels)

    def trl(hidden: Any, weight: Any, labels: Any) -> Any:
        kept = labels != -100
        outputs = ("log_probs",)
        scored = ChunkedLogProbFunction.apply(
            hidden[kept], weight, None, labels[kept], 1.0, 4096, None, 1.0, outputs
        )
        return -scored[0].sum() / kept.sum()

    found = {"all logits": naive, "TRL": trl}
    if device != "cpu" and importlib.util.find_spec("liger_kernel"):
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        liger = LigerFusedLinearCrossEntropyLoss()
        found["Liger"] = lambda hidden, weight, labels: liger(weight, hidden, labels)
    return found


def fastest(work: Callable[[], None], device: str, seconds: float) -> float:
    """Seconds of the fastest of several times, after two that load kernels."""
    work()
    work()
    found: list[float] = []
    spent = 0.0
    while len(found) < 3 or spent < seconds:
        watch = Stopwatch(device)
        work()
        found.append(watch.seconds().device)
        spent += found[-1]
    return min(found)
