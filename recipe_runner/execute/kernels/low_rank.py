"""A layer with LoRA as one function, which keeps its input as it comes and once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from recipe_runner.execute.kernels.products import multiply, read


def forward_of(module: Any) -> Callable[..., Tensor] | str:
    """What takes the place of `module.forward`; or why nothing does.

    The layer goes its own way while its adapter is off, merged, or beside another one.
    """
    product = read(module)
    if isinstance(product, str):
        return product
    if any(getattr(each, "p", 0) for each in module.lora_dropout.values()):
        return "`lora_dropout` drops inputs"
    usual = module.forward

    def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        product = "" if args or kwargs else read(module)
        found = None if isinstance(product, str) else multiply(product, x)
        if found is None:
            found = usual(x, *args, **kwargs)
        return found

    return forward
