"""The axis of quantizations: the base model in fewer bits."""

from abc import abstractmethod
from typing import ClassVar

from recipe_runner.components.base import Component
from recipe_runner.plan import Call, Requirement


class Quantization(Component):
    """A quantizer. `requires` are the packages it needs, `needs_adapter` where its weights cannot train.

    `compute_dtype_fields` are fields whose "auto" means the type of the computation.
    """

    requires: ClassVar[tuple[Requirement, ...]] = ()
    needs_adapter: ClassVar[bool] = True
    compute_dtype_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def storage_dtype(self) -> str | None:
        """Type of the tensors that hold the packed weights; None where it is fixed."""
        return None

    @abstractmethod
    def compile(self) -> Call:
        """The quantization configuration."""
