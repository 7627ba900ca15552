"""The axis of sources: where rows come from, told by how a path looks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from recipe_runner.components.base import Component
from recipe_runner.rows import Located, Rows
from recipe_runner.rows.packed import Opener


class Source(Component):
    """A kind of file, or a hub.

    `suffixes` are the endings (lower case, with the dot) by which a local file is
    recognised, and `may_be_packed` allows a compression behind them; `builder` is the
    name of the loader in the datasets library, None for a hub, whose data sets bring
    their own. The path of a source that `connects` is the address of a database.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    may_be_packed: ClassVar[bool] = False
    connects: ClassVar[bool] = False
    builder: ClassVar[str | None] = None

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        """The rows of local files, read in place; None where the datasets library has to read them.

        What must be written to read them goes to the folder `scratch`, and is held in
        memory without one. With `max_chunks` only the first chunks are looked at.
        """
        return None

    def walk(self, files: Sequence[str], opener: Opener) -> Iterator[Located] | None:
        """The rows of files in one pass, as a stream; None where the datasets library reads them.

        `opener` opens a file by its name, wherever it is.
        """
        return None
