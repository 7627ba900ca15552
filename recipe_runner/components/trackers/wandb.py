"""Weights & Biases."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.tracker import Tracker


class Wandb(Tracker):
    """Weights & Biases. The API key comes from the environment (`WANDB_API_KEY`) or `wandb login`."""

    type: Literal["wandb"]
    project: str | None = None
    """Project of the run; null is the service's default."""
    entity: str | None = None
    """User or team that owns the run."""
    group: str | None = None
    """Runs that belong together."""
    tags: Strings = ()
    """Tags of the run."""
    mode: Literal["online", "offline"] = "online"
    """`offline` writes to disk; `wandb sync` sends it later."""

    package: ClassVar[str] = "wandb"
    module: ClassVar[str] = "wandb"
    snippet: ClassVar[str] = "tracking: {type: wandb, project: my-project}"

    def environment(self) -> Mapping[str, str]:
        values = {
            "WANDB_PROJECT": self.project,
            "WANDB_ENTITY": self.entity,
            "WANDB_RUN_GROUP": self.group,
            "WANDB_TAGS": ",".join(self.tags) or None,
            "WANDB_MODE": self.mode,
        }
        return {name: value for name, value in values.items() if value is not None}
