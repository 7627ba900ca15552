"""The recipe that `init` writes: short, commented, and ready for `check`."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from recipe_runner.components.base import Component, discover
from recipe_runner.recipe.json_schema import description
from recipe_runner.recipe.schema import SCHEMA_VERSION

_PLAIN = re.compile(r"[A-Za-z0-9./~][\w./~@+-]*")
"""Text that YAML reads as itself; `_scalar` quotes the rest."""
_WORDS = frozenset({"true", "false", "null", "~", "yes", "no", "on", "off", "y", "n"})
"""What YAML, or the YAML 1.1 of other tools, reads as something else than text."""


@dataclass(frozen=True)
class Answers:
    """What a starter recipe is made of; paths are as the recipe's folder sees them.

    `adapter` and `quantization` are names of components, None for none.
    """

    file: str
    schema: str
    model: str
    data: str
    adapter: str | None
    quantization: str | None
    output_dir: str


def axis(name: str) -> Mapping[str, type[Component]]:
    """The components of an axis, by the word that names each."""
    return discover(f"recipe_runner.components.{name}s")


def default_of(components: Mapping[str, type[Component]]) -> str:
    """The component that is proposed where nothing else is said."""
    return next(name for name, kind in components.items() if vars(kind).get("is_default"))


def starter(answers: Answers) -> str:
    """The text of the recipe."""
    algorithm = default_of(axis("algorithm"))
    parts = [
        f"# yaml-language-server: $schema={answers.schema}",
        "#",
        f"# Check it:            recipe-run check {answers.file}",
        f"# See what it runs:    recipe-run plan {answers.file} --why",
        f"# See what trains:     recipe-run preview {answers.file}",
        f"# Run it:              recipe-run train {answers.file}",
        "# What any key means:  recipe-run explain training.learning_rate",
        "",
        f"recipe: {SCHEMA_VERSION}  # version of the schema",
        "",
        "# A hub id, or a folder relative to this file. A recipe that is shared should pin a",
        "# commit: `model: {name_or_path: ID, revision: COMMIT}`.",
        f"model: {_scalar(answers.model)}",
        "",
        *_choice("quantization", answers.quantization, "The model keeps its own precision."),
        *_choice("adapter", answers.adapter, "All parameters of the model train."),
        "data:",
        "  # Rows of chats, prompts with completions, or text; the layout is recognised from the",
        "  # columns, and `plan` says how. Relative to this file. More: recipe-run explain data",
        f"  train: {_scalar(answers.data)}",
        "  # Five percent of the rows are held out, to see whether it learns or memorizes.",
        "  eval: {split: 0.05}",
        "  # In tokens; of longer rows the answer stays, and the run says how many were cut.",
        f"  # To choose it from your rows: recipe-run data stats {answers.file}",
        "  max_length: 2048",
        "",
        f"algorithm: {algorithm}  # more: recipe-run explain {algorithm}",
        "",
        "training:",
        "  # Sequences per optimizer step, over all GPUs. Accumulation follows from it, so the",
        "  # recipe gives the same result on one GPU and on eight.",
        "  global_batch_size: 16",
        "  num_train_epochs: 3",
        "  # learning_rate is left open: it then is the one recommended for this algorithm, which",
        "  # is about ten times higher with an adapter. `plan --why` shows it.",
        "",
        "# Everything that the run writes goes here, relative to where it is started.",
        f"output_dir: {_scalar(answers.output_dir)}",
        "seed: 42",
    ]
    return "\n".join(parts) + "\n"


def _choice(key: str, name: str | None, without: str) -> list[str]:
    if name is None:
        return [f"# {without} Choices: recipe-run explain {key}", f"{key}: null", ""]
    kind = axis(key)[name]
    comment = f"{description(kind).partition(chr(10) * 2)[0]} More: recipe-run explain {name}"
    wrapped = textwrap.wrap(comment, 92, initial_indent="# ", subsequent_indent="# ")
    return [*wrapped, kind.snippet or f"{key}: {name}", ""]


def _scalar(text: str) -> str:
    """`text` as a YAML scalar, in double quotes where it would mean something else."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS and not _is_number(text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _is_number(text: str) -> bool:
    # Dates, times and numbers of YAML all start with a digit, a sign or a dot.
    return bool(re.fullmatch(r"[0-9.][0-9._eExXoO:+-]*[0-9a-fA-F]*", text))
