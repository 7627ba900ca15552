"""Arrow files, as the datasets library saves them."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import Rows
from recipe_runner.rows.table import arrow_head


class Arrow(Source):
    """Arrow files, such as the shards that the datasets library writes."""

    type: Literal["arrow"]

    suffixes: ClassVar[tuple[str, ...]] = (".arrow",)
    builder: ClassVar[str | None] = "arrow"
    snippet: ClassVar[str] = "train: data/chat.arrow"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        return arrow_head(files) if scratch is None else None
