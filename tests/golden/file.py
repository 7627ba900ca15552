"""Golden files: what a test expects, kept beside the tests and rewritten on request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """Compares texts with the files below `tests/golden/`; writes them when `update` is on."""

    update: bool

    def __call__(self, name: str, text: str) -> None:
        """Demand that the file `name` holds `text`."""
        file = FOLDER / name
        if self.update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.is_file(), f"{name} is missing; run pytest --update-golden and read it"
        assert text == file.read_text(encoding="utf-8")
