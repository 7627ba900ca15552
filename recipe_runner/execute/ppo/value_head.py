"""The value head: how good the policy's state is, read off its last hidden state.

It is a module inside the policy, so that everything that wraps the policy (DDP, FSDP,
DeepSpeed) wraps the head as well, and runs in the policy's own forward pass.
It is no part of a saved model: `apart` takes it off while one is written or read.
Shapes: B sequences of S tokens, H the width of the policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from trl.trainer.utils import FusedCausalLMOutput

NAME = "value_head"
"""The head's name among the modules of the policy."""

FILE = f"{NAME}.safetensors"
"""The head's file, beside those of the policy."""


@dataclass
class ValuedOutput(FusedCausalLMOutput):
    """TRL's output, with the value of the state before each next token: float[B, S - 1]."""

    value: Any = None


class ValueHead(nn.Module):
    """V(s) = w * h + b, in float32. Zero before training, so that it does not mislead."""

    def __init__(self, width: int, device: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1, dtype=torch.float32, device=device)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Any) -> Any:
        """The value of each state: any float[B, S, H] to float32[B, S]."""
        weight = self.linear.weight
        with torch.autocast(weight.device.type, enabled=False):
            return self.linear(hidden.to(weight.device, weight.dtype)).squeeze(-1).float()


def attach(policy: Any) -> ValueHead:
    """Give a causal language model with TRL's fused head a value head, and return it.

    Called with `fused_lm_head=True`, `policy` then answers with a `ValuedOutput`; otherwise,
    as for generation, it answers as before.
    """
    width = policy.config.get_text_config().hidden_size
    head = ValueHead(width, policy.get_output_embeddings().weight.device)
    setattr(policy, NAME, head)
    seen: list[Any] = []

    def remember(_backbone: Any, _args: Any, output: Any) -> None:
        seen[:] = [output.last_hidden_state]

    def add_value(_policy: Any, _args: Any, given: dict[str, Any], output: Any) -> Any:
        hidden = seen.pop()
        if not given.get("fused_lm_head"):
            return output
        return ValuedOutput(**output, value=head(hidden[:, :-1]))

    policy.base_model.register_forward_hook(remember)
    policy.register_forward_hook(add_value, with_kwargs=True)
    return head


@contextmanager
def apart(policy: Any) -> Iterator[None]:
    """Take the head off `policy` for a while, so that its state is that of the plain model."""
    head = getattr(policy, NAME)
    delattr(policy, NAME)
    try:
        yield
    finally:
        setattr(policy, NAME, head)


def split(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of the policy without its head, and that of the head by its own names."""
    parts = {name: name.partition(f"{NAME}.") for name in state}
    policy = {name: state[name] for name, (_, found, _) in parts.items() if not found}
    head = {own: state[name] for name, (_, found, own) in parts.items() if found}
    return policy, head


def without_head(named: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The parameters that are not the head's, by their names in the policy; one at a time."""
    return ((name, value) for name, value in named if f"{NAME}." not in name)
