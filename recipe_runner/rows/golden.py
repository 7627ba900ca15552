"""Golden rows: what a few rows of a recipe became when a person last looked at them.

They live in a file beside the recipe, `<recipe>.golden.json`, for review with the recipe.
With the rows the file says what their tokens depend on. Part of that shows without
loading anything, so that a check of the recipe sees it; a run compares the tokens.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner.plan import DataPlan, SourcePlan, to_json
from recipe_runner.rows.row import Row

VERSION = 1
SUFFIX = ".golden.json"

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
"""Files of a tokenizer that decide about tokens."""

TEMPLATE = "the chat template"
TOKENIZER = "the tokenizer"


class GoldenFormatError(ValueError):
    """The text is no golden file of this version; the message says why."""


@dataclass(frozen=True)
class Run:
    """A piece of a rendered row that trains with one weight; 0 where it does not train."""

    text: str
    weight: float = 0.0


@dataclass(frozen=True)
class GoldenRow:
    """A row and what became of it.

    `source` is the place of its data set ("data.train[0]"), `row` its number there from 1,
    and `content` a hash of the row as it stands in the file. `tokens` is a hash of ids
    and labels, `ids` has the ids with spaces between them. A row that did not train has a
    `problem` instead.
    """

    source: str
    path: str
    row: int
    content: str
    count: int = 0
    tokens: str = ""
    text: tuple[Run, ...] = ()
    ids: str = ""
    problem: str | None = None


@dataclass(frozen=True)
class Golden:
    """The rows of a golden file, what they depend on, and what made them (for people)."""

    rows: tuple[GoldenRow, ...]
    depends_on: Mapping[str, Any]
    made_with: Mapping[str, str] = field(default_factory=dict)


def golden_path(recipe_path: str | Path) -> Path:
    """Where the golden rows of a recipe file are."""
    return Path(recipe_path).with_suffix(SUFFIX)


def decode(text: str) -> Golden:
    """Read a golden file's text. Raises `GoldenFormatError`."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise GoldenFormatError(f"it is no JSON: {error}") from error
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise GoldenFormatError(f"it does not say that its version is {VERSION}")
    try:
        return Golden(
            tuple(_row(row) for row in value["rows"]),
            dict(value["depends_on"]),
            dict(value["made_with"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GoldenFormatError(f"its contents are not as they were written: {error}") from error


def encode(golden: Golden) -> str:
    """The text of a golden file, made for reading in review."""
    rows = []
    for row in golden.rows:
        value = {name: _line(item) for name, item in to_json(row).items()}
        shown = [_shown(Run(line, run.weight)) for run in row.text for line in _lines(run.text)]
        value["text"] = _block("[", map(_line, shown), "]", 3)
        unused = ("problem",) if row.problem is None else ("count", "tokens", "text", "ids")
        rows.append(_object({k: v for k, v in value.items() if k not in unused}, 2))
    return (
        _object(
            {
                "version": _line(VERSION),
                "made_with": _line(dict(golden.made_with)),
                "depends_on": _object({k: _line(v) for k, v in golden.depends_on.items()}, 1),
                "rows": _block("[", rows, "]", 1),
            },
            0,
        )
        + "\n"
    )


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _object(values: Mapping[str, str], depth: int) -> str:
    return _block("{", (f"{_line(name)}: {value}" for name, value in values.items()), "}", depth)


def _block(begin: str, items: Iterable[str], end: str, depth: int) -> str:
    """Items on lines of their own, one space further in than `depth`."""
    lines = ",".join(f"\n{' ' * (depth + 1)}{item}" for item in items)
    return f"{begin}{lines}\n{' ' * depth}{end}" if lines else begin + end


def _lines(text: str) -> list[str]:
    """The lines of a text with their ends, which a review shows one below the other."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _row(value: Mapping[str, Any]) -> GoldenRow:
    text = tuple(_run(run) for run in value.get("text", []))
    return GoldenRow(**{**value, "row": int(value["row"]), "text": text})


def _run(value: Any) -> Run:
    if isinstance(value, str):
        return Run(value)
    return Run(str(value["trained"]), float(value.get("weight", 1.0)))


def _shown(run: Run) -> Any:
    if not run.weight:
        return run.text
    shown: dict[str, Any] = {"trained": run.text}
    return shown if run.weight == 1 else {**shown, "weight": run.weight}


def content_of(row: Row) -> str:
    """A short hash of a row as it stands in its file."""
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def tokens_of(ids: Iterable[int], weights: Iterable[float]) -> str:
    """A hash of the ids of a row and of the factor of each one's loss, 0 where none is taken."""
    text = " ".join(f"{number}*{weight:g}" for number, weight in zip(ids, weights, strict=True))
    return hashlib.sha256(text.encode()).hexdigest()


def depends_on(
    data: DataPlan,
    *,
    template: str | None,
    kwargs: Mapping[str, Any],
    special_tokens: Mapping[str, str],
    add_tokens: Iterable[str],
    tokenizer_files: Mapping[str, str],
) -> dict[str, Any]:
    """What decides about tokens, by names that a person knows; what is not known is left out.

    `template` is the text of the chat template that is used, `tokenizer_files` are hashes.
    """
    found: dict[str, Any] = {}
    if template is not None:
        found[TEMPLATE] = _short(template.encode("utf-8", "surrogatepass"))
    found["tokenizer.chat_template_kwargs"] = to_json(kwargs)
    found["tokenizer.special_tokens"] = to_json(special_tokens)
    found["tokenizer.add_tokens"] = list(add_tokens)
    found |= tokenizer_files
    found["data.max_length"] = data.max_length
    found["data.overlong"] = data.overlong
    found["data.truncation_mode"] = data.truncation_mode
    for name, source in named(data):
        value = to_json(source)
        found[f"{name}.format"] = value["format"]
        found[f"{name}.columns"] = value["columns"]
        found[f"{name}.loss"] = value["loss"]
    return found


def named(data: DataPlan) -> list[tuple[str, SourcePlan]]:
    """The data sets of a plan with their names in a golden file, training ones first."""
    train = [(f"data.train[{number}]", source) for number, source in enumerate(data.train)]
    return train + [(f"data.eval[{number}]", source) for number, source in enumerate(data.eval)]


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What rows depend on and has changed, in words; what is not known now is no change."""
    found = []
    for name, value in then.items():
        if name not in now:
            # Data sets show in every recipe; a tokenizer's files only where they are local.
            found += [f"`{name}` is gone"] * name.startswith("data.")
        else:
            found += _changed(name, value, now[name])
    return tuple(found)


def _changed(name: str, then: Any, now: Any) -> Iterator[str]:
    """Changes of one thing; what a data set has today and had no word for then is none."""
    if then == now:
        return
    if not name.startswith(("data.", "tokenizer.")) or name in TOKENIZER_FILES:
        yield f"{name} is another one"
    elif name.startswith("data.") and isinstance(then, dict) and isinstance(now, dict):
        for key, value in then.items():
            yield from _changed(f"{name}.{key}", value, now.get(key))
    else:
        yield f"`{name}` was {_value(then)} and is {_value(now)}"


def _value(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def hashes_of_files(folder: Path) -> dict[str, str]:
    """The hashes of a tokenizer's files in a local folder, by their names."""
    return {
        name: _short((folder / name).read_bytes())
        for name in TOKENIZER_FILES
        if (folder / name).is_file()
    }


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
