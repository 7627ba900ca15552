"""Which files of a folder go to the hub, and that none of them tells of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.push import BASE_IS_LOCAL, LOCAL_PATH
from recipe_runner.execute.exports.folder import RECEIPT
from recipe_runner.execute.fault import fault
from recipe_runner.execute.merge.merge import RECEIPT as MERGE_RECEIPT

# Weights in forms that hold numbers only, and texts. What else a folder holds stays here:
# pickles can run code where they are read, and the states of a trainer are of use to nobody.
_TAKEN = {".gguf", ".jinja", ".json", ".model", ".safetensors", ".tiktoken", ".txt"}
_OURS = {RECEIPT, MERGE_RECEIPT, "README.md", "trainer_state.json"}
# Vocabularies hold every kind of text, a folder's name by chance included.
_VOCABULARIES = {"tokenizer.json", "vocab.json", "added_tokens.json"}
_ADAPTER = "adapter_config.json"


@dataclass(frozen=True)
class File:
    """One file of an upload: its place in the repository, and where it is or what it holds."""

    path: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Bytes."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return self.content.stat().st_size


def files_of(folder: Path) -> tuple[list[File], list[str]]:
    """The files of `folder` to upload, and the names of those that stay here."""
    taken: list[File] = []
    left: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name in _OURS:
            continue
        if path.suffix in _TAKEN:
            taken.append(File(name, path))
        else:
            left.append(name)
    return taken, left


def with_base(files: Sequence[File], base: str | None, place: Path) -> list[File]:
    """The files with an adapter's base named as it is on the hub.

    Reports RR644 where the base is a folder of this machine and `base` says no other name.
    """
    return [_rebased(file, base, place) if file.path == _ADAPTER else file for file in files]


def demand_no_local_paths(files: Sequence[File], places: Sequence[Path]) -> None:
    """Report RR645 where a file names one of `places`, or what is below it.

    A place of one folder, such as `/data`, is passed over unless it is the home folder: it
    tells nothing of anybody.
    """
    words = [
        (str(place), _naming(str(place)))
        for place in places
        if len(place.parts) > 2 or (place == Path.home() and len(place.parts) == 2)
    ]
    for file in files:
        for text in _texts(file):
            named = next((word for word, pattern in words if pattern.search(text)), None)
            if named is not None:
                raise fault(
                    LOCAL_PATH,
                    file.content if isinstance(file.content, Path) else file.path,
                    f"{file.path} names the folder {named} of this machine",
                    "take the path out of the file, and upload again",
                )


def _naming(place: str) -> re.Pattern[str]:
    """Finds `place` as a path of its own, as it is or as JSON writes it.

    Not within a longer name or an address of the network, such as `https://host/data/models`.
    """
    forms = "|".join(re.escape(form) for form in {place, json.dumps(place)[1:-1]})
    # A letter before it may be the end of an escape, such as that of a line break.
    return re.compile(rf"(?:(?<![\w.~])|(?<=\\[bfnrt]))(?:{forms})(?![\w-])")


def _rebased(file: File, base: str | None, place: Path) -> File:
    assert isinstance(file.content, Path), "an adapter's configuration is a file of the run"
    values: dict[str, Any] = json.loads(file.content.read_text(encoding="utf-8"))
    if base is None:
        raise fault(
            BASE_IS_LOCAL,
            place,
            "the adapter's base is a folder of this machine, "
            f"{values.get('base_model_name_or_path')}",
            "say where others find it with --base ORG/NAME, or upload the whole model with "
            "--merged",
        )
    if values.get("base_model_name_or_path") == base:
        return file
    values["base_model_name_or_path"] = base
    return File(file.path, (json.dumps(values, indent=2, sort_keys=True) + "\n").encode())


def _texts(file: File) -> Iterator[str]:
    if isinstance(file.content, bytes):
        yield file.content.decode("utf-8", "replace")
    elif file.content.suffix in (".json", ".jinja") and file.content.name not in _VOCABULARIES:
        yield file.content.read_text(encoding="utf-8", errors="replace")
