"""Makes a model compute its activations again as the plan's options say, for every trainer.

Upstream has the options and lets some of them fall: `selective` is known to one of TRL's trainers,
and not beside an adapter; where a trainer turns checkpointing off for a moment, to generate or to
score with the reference, it is turned on again with `every_n_layers` and `offload` as arguments of
`torch.utils.checkpoint`, which has none. So the model itself takes them here.

Source: transformers 5.23 (`PreTrainedModel.activation_checkpointing_enable`), trl 1.16
(`enable_selective_activation_checkpointing`, `disable_gradient_checkpointing`).
"""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Mapping
from typing import Any

from recipe_runner.plan import Plan

NAME = "activation_checkpointing_kwargs"
_SELECTIVE = "selective"
_OWN = frozenset({"every_n_layers", "offload", _SELECTIVE})
"""Options that `torch.utils.checkpoint` does not have."""

_OPERATIONS = (
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_fused_attention_overrideable",
)
_NAMES = ("flash_attn", "varlen_attn")
"""What other kernels have in their names: those of packages, and torch's for variable lengths."""


def options(plan: Plan) -> Mapping[str, Any] | None:
    """The options of a plan that computes activations again; None for one that does not."""
    given = plan.arguments.arguments
    if not given.get("activation_checkpointing"):
        return None
    found: Mapping[str, Any] = given.get(NAME) or {}
    return found


def for_trainer(plan: Plan) -> dict[str, Any]:
    """Arguments of the trainer without what the model does by itself."""
    found = options(plan)
    if found is None or _SELECTIVE not in found:
        return {}
    return {NAME: {name: value for name, value in found.items() if name != _SELECTIVE}}


def recompute(model: Any, plan: Plan) -> None:
    """Make `model` take the plan's options whenever checkpointing is turned on."""
    found = options(plan)
    if found is None:
        return
    enable = type(model).gradient_checkpointing_enable

    @functools.wraps(enable)
    def enable_as_planned(
        self: Any, gradient_checkpointing_kwargs: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        del more  # they are the plan's, where upstream has kept them
        given = {**found, **(gradient_checkpointing_kwargs or {})}
        torchs = {name: value for name, value in given.items() if name not in _OWN}
        layers = {name: given[name] for name in ("every_n_layers", "offload") if name in given}
        # Torch's own default is the other kind.
        torchs.setdefault("use_reentrant", False)
        if given.get(_SELECTIVE):
            torchs["context_fn"] = keeps_attention
        with warnings.catch_warnings():
            # It is called by its old name, so that those who call it so find it.
            warnings.simplefilter("ignore", FutureWarning)
            enable(self, gradient_checkpointing_kwargs=torchs, **layers)

    # A method, so that a copy of the model has its own.
    model.gradient_checkpointing_enable = types.MethodType(enable_as_planned, model)


def keeps_attention() -> Any:
    """Contexts of a checkpoint that keeps what attention gave, and computes all else again."""
    from torch.utils.checkpoint import create_selective_checkpoint_contexts

    return create_selective_checkpoint_contexts(_policy)


def _policy(_: Any, operation: Any, *__: Any, **___: Any) -> Any:
    from torch.utils.checkpoint import CheckpointPolicy

    if operation in _known() or any(name in str(operation) for name in _NAMES):
        return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE


@functools.cache
def _known() -> frozenset[Any]:
    """Torch's own attentions, of those that this build has."""
    import torch

    found = (getattr(torch.ops.aten, name, None) for name in _OPERATIONS)
    return frozenset(each.default for each in found if each is not None)
