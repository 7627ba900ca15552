"""The axis of adapters: small sets of parameters that are trained instead of the model."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from recipe_runner.components.base import Component
from recipe_runner.plan import Call


class Adapter(Component):
    """A PEFT method.

    `is_default` marks the one that `recipe-run init` proposes.
    """

    is_default: ClassVar[bool] = False

    def decide(self) -> Iterable[tuple[str, Any, str]]:
        """Values for the fields that say "auto": field, value, reason."""
        return ()

    def conflicts(self) -> Iterable[tuple[str, str, str]]:
        """Fields that cannot stand together: the one to point at, what is wrong, what to do."""
        return ()

    def patterns(self) -> Iterable[tuple[str, str]]:
        """Texts that are regular expressions, each with its field."""
        return ()

    @property
    def trains_embeddings(self) -> bool:
        """True where the rows of added tokens train with the adapter."""
        return False

    @abstractmethod
    def compile(self, task: str) -> Call:
        """The PEFT configuration for a model of `task` ("causal_lm")."""
