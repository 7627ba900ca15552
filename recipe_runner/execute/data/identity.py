"""What a tokenizer does, for the key of prepared data, without loading it where it is known.

Loading a tokenizer imports the training libraries, which takes seconds; a folder that has
not changed holds the tokenizer that it held before.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.atomic import write_json
from recipe_runner.execute.data.hashes import stamp
from recipe_runner.execute.data.key import digest, tokenizer_parts
from recipe_runner.plan import TokenizerPlan, to_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_YOUNG = 2.0
"""Seconds: a file changed this shortly before may change again within one clock tick."""

_TEMPLATES = "additional_chat_templates"
"""Where transformers looks for further chat templates of a tokenizer (`CHAT_TEMPLATE_DIR`)."""


@dataclass
class PlannedTokenizer:
    """The tokenizer of a plan, which `read` loads when it is needed for the first time.

    What tokenizers do is remembered in `folder`.
    """

    plan: TokenizerPlan
    folder: Path
    read: Callable[[], PreTrainedTokenizerBase]

    @cached_property
    def loaded(self) -> PreTrainedTokenizerBase:
        return self.read()

    def parts(self) -> Mapping[str, Any]:
        """What the tokenizer does, as the key has it."""
        mark = _mark(self.plan)
        if mark is not None and (known := self._known(mark)) is not None:
            return known
        parts = tokenizer_parts(self.loaded)
        if mark is not None and _mark(self.plan) == mark:
            # A cache that can only be read is still one.
            with contextlib.suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                write_json(self.folder / f"{mark}.json", parts)
        return parts

    def _known(self, mark: str) -> dict[str, Any] | None:
        try:
            parts = json.loads((self.folder / f"{mark}.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return parts if isinstance(parts, dict) and "backend" in parts else None


def _mark(plan: TokenizerPlan) -> str | None:
    """Another text where a tokenizer of another content could be loaded; None where none tells."""
    folder = Path(plan.name_or_path)
    if not folder.is_dir():
        return None
    inside = (folder.iterdir(), (folder / _TEMPLATES).glob("*"))
    files = sorted(path for path in chain(*inside) if path.is_file())
    if any(time.time() - path.stat().st_mtime < _YOUNG for path in files):
        return None
    return digest(
        {
            "plan": to_json(plan),
            "folder": str(folder.absolute()),
            "files": {str(path.relative_to(folder)): stamp(str(path)) for path in files},
            "libraries": {name: version(name) for name in ("tokenizers", "transformers")},
        }
    )
