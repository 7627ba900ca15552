"""The key of prepared data: a hash over everything that changes a token or a row.

Paths, names and the number of processes are left out on purpose: the same content
elsewhere is the same data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from recipe_runner.execute.data.work import FORMATS
from recipe_runner.plan import DataPlan, Plan, SourcePlan, to_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LIBRARIES = ("datasets", "jinja2", "pyarrow", "tokenizers", "transformers")
_CODE = (
    ("recipe_runner.execute", "data"),
    ("recipe_runner.execute", "tokenize"),
    ("recipe_runner", "rows"),
    (FORMATS.rpartition(".")[0], "sources"),
    (FORMATS.rpartition(".")[0], "format.py"),
    (FORMATS.rpartition(".")[0], "base.py"),
    (FORMATS.rpartition(".")[0], "formats"),
)
_LAYOUT = 1
"""Raised when the files of an entry change their meaning."""


def key_of(
    plan: Plan, tokenizer: PreTrainedTokenizerBase, contents: Sequence[Sequence[str]]
) -> str:
    """The key, as 64 hexadecimal digits.

    `contents` has, for each source (training, then evaluation), the hashes of its files,
    or the commit of its hub data set.
    """
    data = plan.data
    sources = (*data.train, *data.eval)
    return digest(
        {
            "layout": _LAYOUT,
            "code": code_digest(),
            "libraries": {name: version(name) for name in _LIBRARIES},
            "tokenizer": tokenizer_digest(tokenizer),
            "chat_template": plan.tokenizer.chat_template,
            "chat_template_kwargs": to_json(plan.tokenizer.chat_template_kwargs),
            "train": len(data.train),
            "sources": [
                _source(source, content) for source, content in zip(sources, contents, strict=True)
            ],
            **_shared(data),
        }
    )


def digest(value: Any) -> str:
    """The SHA-256 of JSON values, as 64 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """A hash of what the tokenizer does, wherever it was loaded from."""
    text: str = tokenizer.backend_tokenizer.to_str()
    # What comes before is how the last call padded and truncated, which is not kept.
    _, _, lasting = text.partition('"added_tokens":')
    return digest(
        {
            "class": type(tokenizer).__name__,
            "backend": hashlib.sha256((lasting or text).encode()).hexdigest(),
            "special_tokens": {k: str(v) for k, v in tokenizer.special_tokens_map.items()},
            "split_special_tokens": bool(tokenizer.split_special_tokens),
            "chat_template": tokenizer.chat_template,
        }
    )


@cache
def code_digest() -> str:
    """A hash of the code that turns rows into tokens: changed code prepares again."""
    digest = hashlib.sha256()
    for package, name in _CODE:
        for path, source in sorted(_python(files(package) / name, name)):
            digest.update(path.encode() + b"\0" + source + b"\0")
    return digest.hexdigest()


def _python(place: Traversable, path: str) -> list[tuple[str, bytes]]:
    if place.is_file():
        return [(path, place.read_bytes())] if path.endswith(".py") else []
    return [item for child in place.iterdir() for item in _python(child, f"{path}/{child.name}")]


def _source(source: SourcePlan, content: Sequence[str]) -> dict[str, Any]:
    value: dict[str, Any] = to_json(source)
    for name in ("path", "rows", "revision", "files"):
        del value[name]
    return value | {"content": list(content)}


def _shared(data: DataPlan) -> dict[str, Any]:
    value: dict[str, Any] = to_json(data)
    for name in ("train", "eval", "num_proc", "shuffle"):
        del value[name]
    if not _is_drawn(data):
        del value["seed"]
    return value


def _is_drawn(data: DataPlan) -> bool:
    """True where the seed decides about rows or their order."""
    return (
        data.eval_split is not None
        or data.mix_strategy == "interleave"
        or any(source.fraction_of_rows is not None for source in (*data.train, *data.eval))
    )
