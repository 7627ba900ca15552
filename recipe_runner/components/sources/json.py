"""JSON and JSON lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from recipe_runner.components.source import Source
from recipe_runner.rows import JsonRows, Rows
from recipe_runner.rows.array import ArrayRows, is_array, unpack
from recipe_runner.rows.row import CHUNK_ROWS


class Json(Source):
    """JSON lines, one object a line, or a JSON file with one array of objects."""

    type: Literal["json"]

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".json", ".ndjson")
    builder: ClassVar[str | None] = "json"
    snippet: ClassVar[str] = "train: data/chat.jsonl"

    def rows(
        self, files: Sequence[str], *, scratch: Path | None = None, max_chunks: int | None = None
    ) -> Rows | None:
        if not any(is_array(file) for file in files):
            return JsonRows(files, max_chunks=max_chunks)
        if scratch is None:
            limit = None if max_chunks is None else max_chunks * CHUNK_ROWS
            return ArrayRows(files, limit)
        scratch.mkdir(parents=True, exist_ok=True)
        unpacked = {
            str(scratch / f"{number}.lines"): file
            for number, file in enumerate(files)
            if is_array(file)
        }
        for lines, file in unpacked.items():
            unpack(file, Path(lines))
        made = {file: lines for lines, file in unpacked.items()}
        return JsonRows([made.get(file, file) for file in files], max_chunks, unpacked=unpacked)
