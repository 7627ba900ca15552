"""Remembers in the cache which tokenizers make the same tokens once they are saved.

Reading a large vocabulary takes a second, and most runs have a tokenizer and rows that were
compared before. What differs is not remembered: it is told every time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from recipe_runner.execute.data.cache import cache_root
from recipe_runner.execute.data.key import tokenizer_digest
from recipe_runner.execute.preview.desk import Desk

_FOLDER = "compared"


@dataclass(frozen=True)
class Compared:
    """That a tokenizer and some rows were compared, as an empty file of the cache."""

    file: Path

    @classmethod
    def of(cls, desk: Desk, rows: Any) -> Compared:
        """The tokenizer of `desk`; `rows` are the conversations and their tokens."""
        parts = [
            tokenizer_digest(desk.tokenizer),
            desk.tokenizer.init_kwargs,
            desk.plan.tokenizer.chat_template or desk.tokenizer.chat_template,
            {name: version(name) for name in ("tokenizers", "transformers")},
            rows,
        ]
        text = json.dumps(parts, default=repr, sort_keys=True)
        name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(cache_root() / _FOLDER / name)

    def known(self) -> bool:
        """True where a run before this one found no difference."""
        return self.file.exists()

    def keep(self) -> None:
        """Note that there is no difference."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.touch()
        except OSError:
            pass  # a cache that cannot be written costs the next run a second
