"""Takes padding out before the layers of a model, and puts it back behind them.

Trainers go on with batches of rows of one length. The module that holds the layers gets one
row of real tokens, with the borders of its documents by the names that attention for variable
lengths takes (`FlashAttentionKwargs` of transformers), and what comes out of its last layer is
put back at the places of a padded batch, with zeros at the padding, which no loss reads.

B: rows, T: tokens of a padded row, N: real tokens of the batch, H: features of a token.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.attention.suitable import why_not_joinable
from recipe_runner.execute.speed.refused import Refused
from recipe_runner.plan import Plan
from recipe_runner.plan.joined import SEGMENTS, has_experts

if TYPE_CHECKING:
    import torch

_LEAVE = ("past_key_values", "output_hidden_states", "output_attentions", "output_router_logits")
"""Arguments with which a batch goes through as it is: their results are of padded form."""


@dataclass
class Tokens:
    """Tokens that batches had, and those of them that were real; "" before the first batch."""

    padded: int = 0
    real: int = 0

    def __str__(self) -> str:
        if not self.padded:
            return ""
        share = 1 - self.real / self.padded
        return f"{self.padded - self.real:,} of {self.padded:,} tokens were padding ({share:.0%})"


def put_on(plan: Plan, trainer: Any, stack: ExitStack) -> Callable[[], str]:
    """Take padding out of the batches of the model that trains, and of the one it is compared with."""
    del plan
    unwrap, tokens = trainer.accelerator.unwrap_model, Tokens()
    model, other = unwrap(trainer.model), getattr(trainer, "ref_model", None)
    if (why := why_not(model)) is not None:
        raise Refused(why)
    install(model, tokens, stack)
    # The model as it was is a copy; one of another kind may keep its padding.
    apart = why_not(unwrap(other)) if other is not None else None
    if other is not None and apart is None:
        install(unwrap(other), tokens, stack)
    kept = f", and the reference model keeps its own: {apart}" if apart else ""
    return lambda: f"{tokens}{kept}" if tokens.padded else ""


def why_not(model: Any) -> str | None:
    """Why padding stays in the batches of a loaded model; None where it can be taken out.

    `model` is a language model or classifier of transformers, with or without an adapter.
    """
    model = _base(model)
    name = type(model).__name__
    if (why := why_not_joinable(model)) is not None:
        return f"{name} {why}"
    if model.config._attn_implementation != SEGMENTS:
        return f"attention is {model.config._attn_implementation}"
    if model.base_model is model:
        return f"{name} does not tell its layers from its head"
    if has_experts(model.config.to_dict()):
        return f"{name} has experts, whose balance is counted over padded batches"
    return None


def install(model: Any, tokens: Tokens, stack: ExitStack) -> None:
    """Replace the forward pass of the layers of `model` until `stack` ends.

    `tokens` is told of every batch that loses its padding.
    """
    layers = _base(model).base_model
    before = vars(layers).get("forward")
    layers.forward = _without_padding(layers.forward, tokens)

    def undo() -> None:
        if before is None:
            del layers.forward
        else:
            layers.forward = before

    stack.callback(undo)


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _without_padding(forward: Callable[..., Any], tokens: Tokens) -> Callable[..., Any]:
    @functools.wraps(forward)
    def joined(
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        inputs_embeds: Any = None,
        **kwargs: Any,
    ) -> Any:
        given = {"input_ids": input_ids, "inputs_embeds": inputs_embeds}
        given = {name: value for name, value in given.items() if value is not None}
        if not _is_padded(attention_mask, given, kwargs):
            return forward(
                **given, attention_mask=attention_mask, position_ids=position_ids, **kwargs
            )
        kept = attention_mask.flatten().nonzero().flatten()
        shape = attention_mask.shape
        tokens.padded += shape.numel()
        tokens.real += len(kept)
        out = forward(
            **{name: value.flatten(0, 1)[kept][None] for name, value in given.items()},
            attention_mask=None,
            position_ids=_positions(position_ids, shape, kept),
            **_borders(attention_mask),
            **{**kwargs, "use_cache": False},
        )
        out.last_hidden_state = _spread(out.last_hidden_state[0], kept, shape)
        return out

    return joined


def _is_padded(mask: Any, given: dict[str, Any], kwargs: dict[str, Any]) -> bool:
    """True for a batch of whole rows, to be computed once and not to be continued."""
    import torch

    if not isinstance(mask, torch.Tensor) or mask.dim() != 2 or kwargs.get("use_cache"):
        return False
    if "cu_seq_lens_q" in kwargs or any(kwargs.get(name) for name in _LEAVE):
        return False
    # A mask that is longer than the batch speaks of tokens that came before.
    return len(given) == 1 and all(each.shape[:2] == mask.shape for each in given.values())


def _positions(given: Any, shape: torch.Size, kept: torch.Tensor) -> torch.Tensor:
    """The position that each token has in its padded row [1, N]."""
    if given is None:
        return (kept % shape[1])[None]
    found: torch.Tensor = given.expand(shape).flatten()[kept][None]
    return found


def _borders(mask: torch.Tensor) -> dict[str, Any]:
    """Where rows begin and the last one ends, without rows of nothing but padding."""
    import torch

    lengths = mask.sum(1, dtype=torch.int32)
    lengths = lengths[lengths > 0]
    borders = torch.nn.functional.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    longest = int(lengths.max()) if len(lengths) else 0
    return {
        "cu_seq_lens_q": borders,
        "cu_seq_lens_k": borders,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def _spread(tokens: torch.Tensor, kept: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """`tokens` [N, H] at their places in a padded batch [B, T, H]."""
    rows: torch.Tensor = tokens.new_zeros(shape.numel(), tokens.shape[-1]).index_copy(
        0, kept, tokens
    )
    return rows.view(*shape, -1)
