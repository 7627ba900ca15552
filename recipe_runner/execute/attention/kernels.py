"""Calls the kernel of another package for the documents of a joined row, and counts its calls.

H: query heads, G: key and value heads, T: tokens of the row, D: size of a head, N: documents.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recipe_runner.plan.kernels import VARLEN_KERNELS, Capability, VarlenKernel

if TYPE_CHECKING:
    import torch

_FUNCTION = "flash_attn_varlen_func"


@dataclass
class InUse:
    """A kernel that a run calls, and what became of the rows that it was given.

    `calls` counts passes through it, `others` those that went to PyTorch's, by the reason.
    """

    kernel: VarlenKernel
    function: Callable[..., Any]
    version: str
    calls: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def takes(self, query: torch.Tensor) -> bool:
        """True where it can take heads such as those of `query` [1, H, T, D]; else it notes why."""
        why = self.kernel.why_not_for(query.shape[-1])
        if why is not None:
            self.others[why] += 1
        return why is None

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        borders: torch.Tensor,
        longest: int,
        window: int | None,
        scaling: float | None,
    ) -> torch.Tensor:
        """Attention of `query` [1, H, T, D] over `key` and `value` [1, G, T, D]; gives [1, T, H, D].

        `borders` [N + 1] are int32; a token sees `window` tokens, itself included, None for all
        before it.
        """
        self.calls += 1
        all_before = self.kernel.unbounded
        found = self.function(
            *(each[0].transpose(0, 1).contiguous() for each in (query, key, value)),
            cu_seqlens_q=borders,
            cu_seqlens_k=borders,
            max_seqlen_q=longest,
            max_seqlen_k=longest,
            softmax_scale=scaling,
            causal=True,
            window_size=(all_before, all_before) if window is None else (window - 1, 0),
        )
        # Some releases give the sums of each row beside the result.
        rows: torch.Tensor = found[0] if isinstance(found, tuple) else found
        return rows[None]

    def __str__(self) -> str:
        if not self.calls and not self.others:
            return ""
        name = f"{_FUNCTION} of {self.kernel.package} {self.version}: {self.calls:,} calls"
        others = (
            f"; varlen_attn of torch: {n:,} calls, as {why}" for why, n in self.others.items()
        )
        return name + "".join(others)


def why_not_here(brought: InUse, head: int, device: Any) -> str | None:
    """Why a kernel does not work on `device`, after a pass forward and back; None where it does.

    Two documents of 5 and 11 tokens, in bfloat16. A build for other devices fails here, and not
    in the first step.
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    shape = (1, 2, 16, head)
    drawn = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=drawn).to(device, torch.bfloat16) for _ in range(3)]
    ours = [each.clone().requires_grad_() for each in inputs]
    theirs = [each.float().requires_grad_() for each in inputs]
    borders = torch.tensor([0, 5, 16], dtype=torch.int32, device=device)
    try:
        query, key, value = ours
        found = brought(query, key, value, borders, 11, None, None)
        found.float().square().sum().backward()
    # Whatever it raises where it cannot run, which is its own affair.
    except (RuntimeError, AssertionError, ImportError, TypeError, ValueError) as error:
        return f"{brought.kernel.package} {brought.version} does not work here: {error}"
    finally:
        brought.calls = 0
    parts = zip(*(each.split((5, 11), 2) for each in theirs), strict=True)
    wanted = torch.cat(
        [scaled_dot_product_attention(q, k, v, is_causal=True) for q, k, v in parts], 2
    )
    wanted.square().sum().backward()
    pairs = [(found[0].transpose(0, 1)[None], wanted)]
    pairs += [(each.grad, other.grad) for each, other in zip(ours, theirs, strict=True)]
    if all(torch.allclose(a.float(), b, atol=0.1, rtol=0.05) for a, b in pairs):
        return None
    return f"{brought.kernel.package} {brought.version} gives other numbers than PyTorch"


def find(capability: Capability, head: int | None) -> InUse | str:
    """The fastest kernel that is installed and fits; else why there is none, in one sentence.

    `head` is the size of the model's heads, None where it is not known.
    """
    reasons = []
    for kernel in VARLEN_KERNELS:
        version = _version(kernel.package)
        if version is None:
            continue
        why = kernel.why_not_on(capability) or (kernel.why_not_for(head) if head else None)
        if why is None:
            try:
                return InUse(kernel, _function(kernel), version)
            except (ImportError, AttributeError, OSError) as error:
                # What was compiled for another PyTorch is there, and cannot be loaded.
                why = f"{kernel.package} {version} cannot be loaded: {error}"
        reasons.append(why)
    names = ", ".join(each.package for each in VARLEN_KERNELS)
    return "; ".join(reasons) or f"none of {names} is installed"


def _function(kernel: VarlenKernel) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(importlib.import_module(kernel.module), _FUNCTION)
    return found


def _version(package: str) -> str | None:
    # By the name of the package: flash-attn and flash-attn-4 share a module.
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
