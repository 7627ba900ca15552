"""Arrow files, as the datasets library saves them."""

from typing import ClassVar, Literal

from recipe_runner.components.source import Source


class Arrow(Source):
    """Arrow files, such as the shards that the datasets library writes."""

    type: Literal["arrow"]

    suffixes: ClassVar[tuple[str, ...]] = (".arrow",)
    builder: ClassVar[str | None] = "arrow"
    snippet: ClassVar[str] = "train: data/chat.arrow"
