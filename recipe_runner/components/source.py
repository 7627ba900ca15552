"""The axis of sources: where rows come from, told by how a path looks."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from recipe_runner.components.base import Component
from recipe_runner.rows import Rows


class Source(Component):
    """A kind of file, or a hub.

    `suffixes` are the endings (lower case, with the dot) by which a local file is
    recognised; `builder` is the name of the loader in the datasets library, None
    for a hub, whose data sets bring their own.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    builder: ClassVar[str | None] = None

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        """The rows of local files, read in place; None where the datasets library has to read them.

        What must be written to read them goes to the folder `scratch`, and is held in
        memory without one. With `max_chunks` only the first chunks are looked at.
        """
        return None
