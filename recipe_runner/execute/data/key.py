"""The key of prepared data: a hash over everything that changes a token or a row.

Paths, names and the number of processes are left out on purpose: the same content
elsewhere is the same data. The parts that the hash is taken of are kept with the data, so
that a key that is not found can be explained.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.data.work import FORMATS
from recipe_runner.execute.vision.key import image_parts
from recipe_runner.plan import DataPlan, Plan, SourcePlan, to_json
from recipe_runner.rows.packed import kind_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LIBRARIES = ("datasets", "jinja2", "numpy", "pillow", "pyarrow", "tokenizers", "transformers")
_COMPONENTS = FORMATS.rpartition(".")[0]
_SHARED_BY_FORMATS = (
    "base", "chat", "format", "images", "parts", "rendering", "sandbox", "source", "tools", "turns"
)  # fmt: skip
CODE = (
    ("recipe_runner.execute", "data"),
    ("recipe_runner.execute", "tokenize"),
    ("recipe_runner.execute", "vision"),
    ("recipe_runner", "rows"),
    *((_COMPONENTS, f"{name}.py") for name in _SHARED_BY_FORMATS),
    (_COMPONENTS, "formats"),
    (_COMPONENTS, "sources"),
)
"""Packages and what in them takes part in turning rows into tokens."""

_LAYOUT = 2
"""Raised when the files of an entry change their meaning."""

_LONG = 200
"""Characters of a text after which only its hash is kept."""

SOURCE_KEEPS_OUT = frozenset({"path", "rows", "revision", "files"})
"""Fields of a source that change no token: its content is in the key, not its place, but for
the endings of its files."""

DATA_KEEPS_OUT = frozenset({"train", "eval", "num_proc", "shuffle", "shuffle_buffer"})
"""Fields of the data that change no prepared row, or that the key has elsewhere."""


@dataclass(frozen=True)
class Key:
    """A key, as 64 hexadecimal digits, and the JSON values that it is the hash of."""

    text: str
    parts: Mapping[str, Any]


def key_of(plan: Plan, tokenizer: Mapping[str, Any], contents: Sequence[Sequence[str]]) -> Key:
    """The key of the plan's data.

    `tokenizer` is what `tokenizer_parts` says. `contents` has, for each source (training,
    then evaluation), the hashes of its files, or the commit of its hub data set.
    """
    data = plan.data
    sources = (*data.train, *data.eval)
    parts: dict[str, Any] = _short(
        {
            "layout": _LAYOUT,
            "code": code_digest(),
            "libraries": {name: _version(name) for name in _LIBRARIES},
            "tokenizer": dict(tokenizer),
            "chat_template": plan.tokenizer.chat_template,
            "chat_template_kwargs": to_json(plan.tokenizer.chat_template_kwargs),
            "train_sources": len(data.train),
            "sources": [
                _source(source, content) for source, content in zip(sources, contents, strict=True)
            ],
            "data": _shared(data),
            "feed": plan.feed,
            **image_parts(plan),
        }
    )
    return Key(digest(parts), parts)


def digest(value: Any) -> str:
    """The SHA-256 of JSON values, as 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def tokenizer_parts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What the tokenizer does, wherever it was loaded from; its rules as a hash."""
    text: str = tokenizer.backend_tokenizer.to_str()
    # What comes before is how the last call padded and truncated, which is not kept.
    _, _, lasting = text.partition('"added_tokens":')
    return {
        "class": type(tokenizer).__name__,
        "backend": hashlib.sha256((lasting or text).encode()).hexdigest(),
        "special_tokens": {k: str(v) for k, v in tokenizer.special_tokens_map.items()},
        "split_special_tokens": bool(tokenizer.split_special_tokens),
        "chat_template": tokenizer.chat_template,
    }


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of what the tokenizer does."""
    return digest(tokenizer_parts(tokenizer))


@cache
def code_digest() -> str:
    """A hash of the code that turns rows into tokens: changed code prepares again."""
    digest = hashlib.sha256()
    for package, name in CODE:
        for path, source in sorted(_python(files(package) / name, name)):
            digest.update(path.encode() + b"\0" + source + b"\0")
    return digest.hexdigest()


def _python(place: Traversable, path: str) -> list[tuple[str, bytes]]:
    if place.is_file():
        return [(path, place.read_bytes())] if path.endswith(".py") else []
    if not place.is_dir():
        return []
    return [item for child in place.iterdir() for item in _python(child, f"{path}/{child.name}")]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _source(source: SourcePlan, content: Sequence[str]) -> dict[str, Any]:
    value: dict[str, Any] = to_json(source)
    kept = {name: each for name, each in value.items() if name not in SOURCE_KEEPS_OUT}
    return kept | {"content": list(content), "endings": _endings(source.files)}


def _endings(files: Sequence[str]) -> list[str]:
    """The endings of the files, by which they are read (`.tsv`); one where all are alike."""
    found = [kind_of(file) for file in files]
    return found[:1] if len(set(found)) == 1 else found


def _shared(data: DataPlan) -> dict[str, Any]:
    value: dict[str, Any] = to_json(data)
    out = DATA_KEEPS_OUT if _is_drawn(data) else DATA_KEEPS_OUT | {"seed"}
    return {name: each for name, each in value.items() if name not in out}


def _is_drawn(data: DataPlan) -> bool:
    """True where the seed decides about rows or their order."""
    return (
        data.eval_split is not None
        or data.mix_strategy == "interleave"
        or any(source.fraction_of_rows is not None for source in (*data.train, *data.eval))
    )


def _short(value: Any) -> Any:
    """The same with long texts as their hashes: a manifest is read by people."""
    if isinstance(value, Mapping):
        return {name: _short(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_short(each) for each in value]
    if isinstance(value, str) and len(value) > _LONG:
        return {"sha256": hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()}
    return value
