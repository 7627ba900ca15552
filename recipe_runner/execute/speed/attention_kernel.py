"""Lets attention over documents in one row go through the kernel of another package."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from recipe_runner.execute.attention import kernels, segments
from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan
from recipe_runner.plan.joined import SEGMENTS


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Take the fastest kernel that is installed and works on this GPU, until `stack` ends.

    Tells which function was called, how often, and how often PyTorch's took its place.
    """
    import torch

    del plan
    config = trainer.accelerator.unwrap_model(trainer.model).config
    if config._attn_implementation != SEGMENTS:
        raise Refused(f"attention is {config._attn_implementation}")
    device = trainer.args.device
    if device.type != "cuda":
        raise Refused("such kernels run on NVIDIA GPUs")
    head = _head(config.get_text_config())
    found = kernels.find(torch.cuda.get_device_capability(device), head)
    if isinstance(found, str):
        raise Refused(found)
    if (why := kernels.why_not_here(found, head, device)) is not None:
        raise Refused(why)
    stack.enter_context(segments.with_kernel(found))
    return found.__str__


def _head(config: Any) -> int:
    """The size of a head, which some configurations leave to be worked out."""
    stated = getattr(config, "head_dim", None)
    return int(stated or config.hidden_size // config.num_attention_heads)
