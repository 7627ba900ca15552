"""Distributed data parallel."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.sharding import Processes, Sharding


class Ddp(Sharding):
    """Distributed data parallel: a full copy of the model on each device, gradients averaged.

    Use it while the model, its gradients and its optimizer state fit on one device.
    It runs on CPU too, over gloo.
    """

    type: Literal["ddp"]

    is_default: ClassVar[bool] = True
    snippet: ClassVar[str] = "launch: {strategy: ddp, num_processes: 2}"

    def compile(self, _: Processes) -> Mapping[str, Any]:
        # On CPU too: accelerate 1.15 starts MULTI_CPU processes without a process group under
        # transformers 5.23, so each would train alone. MULTI_GPU with `use_cpu` gives gloo.
        return {"distributed_type": "MULTI_GPU"}
