"""The axis of launch strategies: how one job is spread over processes."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from recipe_runner.components.base import Component


@dataclass(frozen=True)
class Processes:
    """What a strategy is compiled for: counts over all machines, and the device kind."""

    num_processes: int
    num_machines: int
    mixed_precision: str
    cpu: bool


class Sharding(Component):
    """A strategy. `distributed_type` is accelerate's word for it.

    `needs_accelerator` and `package` say where it cannot run; `many` whether it
    is for more than one process. `is_default` marks what "auto" takes. `keeps_matrices` is
    True where the optimizer of each process sees weights in their own shape.
    """

    needs_accelerator: ClassVar[bool] = False
    package: ClassVar[str | None] = None
    many: ClassVar[bool] = True
    is_default: ClassVar[bool] = False
    shards_weights: ClassVar[bool] = False
    keeps_matrices: ClassVar[bool] = True

    @property
    def checkpoints_activations(self) -> bool:
        """True where the strategy recomputes activations itself."""
        return False

    def idle(self) -> Iterable[tuple[str, str, str]]:
        """Fields that others make idle: the field, why, and what to do."""
        return ()

    @abstractmethod
    def compile(self, processes: Processes) -> Mapping[str, Any]:
        """The strategy's part of accelerate's configuration file."""
