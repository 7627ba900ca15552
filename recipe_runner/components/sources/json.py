"""JSON and JSON lines."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import JsonRows, Located, Rows
from recipe_runner.rows.array import ArrayRows, elements, is_array, unpack
from recipe_runner.rows.packed import Opener, can_open, unpack_all
from recipe_runner.rows.row import CHUNK_ROWS


class Json(Source):
    """JSON lines, one object a line, or a JSON file with one array of objects."""

    type: Literal["json"]

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".json", ".ndjson")
    may_be_packed: ClassVar[bool] = True
    builder: ClassVar[str | None] = "json"
    snippet: ClassVar[str] = "train: data/chat.jsonl"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        if scratch is None:
            if not all(map(can_open, files)):
                return None
            if not any(map(is_array, files)):
                return JsonRows(files, max_chunks)
            return ArrayRows(files, None if max_chunks is None else max_chunks * CHUNK_ROWS)
        shown: dict[str, str] = {}
        numbered: set[str] = set()
        for file, known in unpack_all(files, scratch).items():
            lines = file
            if is_array(file):
                lines = str(scratch / f"{len(shown)}.lines")
                unpack(file, Path(lines), known)
                numbered.add(known)
            shown[lines] = known
        return JsonRows(list(shown), max_chunks, shown, numbered=frozenset(numbered))

    def walk(self, files: Sequence[str], opener: Opener) -> Iterator[Located] | None:
        return elements(files, opener)
