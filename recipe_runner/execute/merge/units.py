"""The adapted parts of a model, and the merge of one of them.

PEFT replaces each module that it adapts by a layer around it. Such a layer is merged by its own
code, on a copy of the base's weights in float32, and rounded once to the type of the result.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from typing import Any

from recipe_runner.execute.codes.merge import MERGE_DIFFERS
from recipe_runner.execute.fault import fault


def adapted(model: Any) -> dict[str, Any]:
    """The outermost layers that PEFT put around modules of `model`, by the names of these."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        if is_adapted(module) and owner(name, found) is None:
            found[name] = module
    return found


def is_adapted(module: Any) -> bool:
    """True for a layer that PEFT put around a module."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    return isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper)


def owner(name: str, layers: Container[str]) -> str | None:
    """The one of `layers` that the tensor or module `name` lies in."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        head = ".".join(parts[:count])
        if head in layers:
            return head
    return None


def merge_layer(model: Any, name: str, layer: Any) -> dict[str, Any]:
    """The merged tensors of the module `name`, by their names in the model without an adapter.

    The layer leaves the model, and with it what it keeps: the result is the only reference.
    Raises ValueError, NotImplementedError and RuntimeError where PEFT does.
    """
    import torch

    with torch.no_grad():
        for module in _bases(layer):
            _copy_in_float32(module)
        if hasattr(layer, "unload_and_optionally_merge_module"):
            plain = layer.unload_and_optionally_merge_module(
                merge=True, safe_merge=False, adapter_names=None
            )
        else:
            layer.merge(safe_merge=False, adapter_names=None)
            plain = layer.get_base_layer()
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, torch.nn.Identity())
    return {f"{name}.{own}": tensor.detach() for own, tensor in plain.state_dict().items()}


def rounded(tensor: Any, dtype: Any, name: str, where: str) -> Any:
    """`tensor` in the type of the result. Reports RR731 where it is not finite there."""
    import torch

    if not tensor.dtype.is_floating_point:
        return tensor
    result = tensor.to(dtype)
    # Both ends are NaN where any of the numbers is.
    if result.numel() and not all(math.isfinite(end) for end in torch.aminmax(result)):
        word = str(dtype).removeprefix("torch.")
        raise fault(
            MERGE_DIFFERS,
            where,
            f"{name} has numbers that are not finite after merging in {word}",
            "merge with --dtype float32; where that fails too, the adapter is broken",
        )
    return result


def _bases(layer: Any) -> Iterator[Any]:
    """The modules of the base below a layer of PEFT, which may stand in another one."""
    if hasattr(layer, "get_base_layer"):
        yield layer.get_base_layer()
    elif hasattr(layer, "token_adapter"):
        yield layer.token_adapter.get_base_layer()


def _copy_in_float32(base: Any) -> None:
    """Put copies in the place of weights that lie in a file, or that another module shares."""
    import torch

    for module in base.modules():
        for name, value in list(module._parameters.items()):
            if value is not None and value.dtype.is_floating_point:
                copy = value.detach().to(torch.float32, copy=True)
                module._parameters[name] = torch.nn.Parameter(copy, requires_grad=False)
