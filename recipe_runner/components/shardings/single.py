"""One process."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.sharding import Processes, Sharding


class Single(Sharding):
    """One process on one device, in the same process tree as the command."""

    type: Literal["single"]

    many: ClassVar[bool] = False
    is_default: ClassVar[bool] = True
    snippet: ClassVar[str] = "launch: {strategy: single}"

    def compile(self, processes: Processes) -> Mapping[str, Any]:
        return {"distributed_type": "NO"}
