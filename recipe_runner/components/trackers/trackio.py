"""Trackio."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from recipe_runner.components.tracker import Tracker


class Trackio(Tracker):
    """Trackio: a local dashboard, or one in a hub space."""

    type: Literal["trackio"]
    project: str = "recipe_runner"
    """Project of the run."""
    space_id: str | None = None
    """Hub space that shows the dashboard; null keeps everything on this machine."""

    package: ClassVar[str] = "trackio"
    module: ClassVar[str] = "trackio"
    snippet: ClassVar[str] = "tracking: trackio"

    def training_arguments(self) -> Mapping[str, str]:
        values = {"project": self.project, "trackio_space_id": self.space_id}
        return {name: value for name, value in values.items() if value is not None}
