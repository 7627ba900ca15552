"""An adapter that an earlier run has trained, trained further."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import ALL, Adapter, Layers
from recipe_runner.components.base import OWN


class Continued(Adapter):
    """A trained adapter, trained further with its own configuration: same method, rank and layers.

    Use it for a second stage, such as `dpo` after `sft`, or for more of the same. The base has
    to be the one that the adapter was trained on. What is saved is an adapter of the same
    size, which replaces the one that it began with. An algorithm that compares with the
    model as it was at the beginning compares with the base and the adapter as it was, and not
    with the base alone: TRL keeps a frozen copy of the adapter for that.

    Source: `peft.set_peft_model_state_dict`; `trl.DPOTrainer`, "ref" adapter.
    """

    type: Literal["continued"]
    path: Annotated[str, Field(min_length=1), OWN]
    """Its run directory, or the folder of its weights, relative to the recipe file."""

    layers: ClassVar[Layers] = ALL
    snippet: ClassVar[str] = "adapter: {type: continued, path: runs/first}"

    @property
    def continues(self) -> str | None:
        return self.path
