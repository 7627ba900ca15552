"""The axis of trackers: services and files that metrics are sent to."""

from collections.abc import Mapping
from typing import ClassVar

from recipe_runner.components.base import Component


class Tracker(Component):
    """A tracker of transformers' `report_to`. `package` and `module` are what must be installed."""

    package: ClassVar[str]
    module: ClassVar[str]

    def environment(self) -> Mapping[str, str]:
        """Environment variables by which the tracker is configured."""
        return {}

    def training_arguments(self) -> Mapping[str, str]:
        """Training arguments by which the tracker is configured."""
        return {}
