"""TensorBoard."""

from typing import ClassVar, Literal

from recipe_runner.components.tracker import Tracker


class Tensorboard(Tracker):
    """Event files in the run directory, for `tensorboard --logdir`."""

    type: Literal["tensorboard"]

    package: ClassVar[str] = "tensorboard"
    module: ClassVar[str] = "tensorboard"
    snippet: ClassVar[str] = "tracking: tensorboard"
