"""The examples on the pages of codes, as recipes with their data files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recipe_runner.compiler.machine import machine
from recipe_runner.diagnostics import Code, Report
from recipe_runner.diagnostics.render.text import render
from recipe_runner.pipeline import compile_text

_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?( unfinished)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

_CHAT = json.dumps(
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
)
_LLAMA = {
    "model_type": "llama",
    "vocab_size": 600,
    "hidden_size": 32,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
DEFAULT_FILES: Mapping[str, str] = {
    "data/chat.jsonl": f"{_CHAT}\n{_CHAT}\n",
    "models/tiny/config.json": json.dumps(_LLAMA),
    "models/tiny/model.safetensors": "",
}
"""What an example's folder holds besides the files that its page shows: rows, and a small Llama."""


@dataclass(frozen=True)
class Example:
    """A recipe on a page, and the files beside it."""

    recipe: str
    files: Mapping[str, str] = field(default_factory=dict)

    def check(self, folder: Path) -> Report:
        """Check the recipe in `folder`, for a machine without GPUs."""
        for name, text in {**DEFAULT_FILES, **self.files}.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return compile_text(self.recipe, "recipe.yaml", machine("cpu"), cwd=folder).report

    def marked_lines(self, code: Code) -> list[int]:
        """The lines of the recipe that carry the marker `# <- RRxxx`."""
        lines = self.recipe.splitlines()
        return [number for number, line in enumerate(lines, 1) if f"<- {code.id}" in line]


def examples(code: Code) -> list[Example]:
    """The recipes under *Example*, each of which has the fault."""
    return _examples(code, "Example")


def near_misses(code: Code) -> list[Example]:
    """The recipes under *Instead*, which are clean."""
    files = next((example.files for example in examples(code)), {})
    return [Example(e.recipe, e.files or files) for e in _examples(code, "Instead")]


def shown(report: Report, folder: Path) -> str:
    """The report as the command prints it, with paths seen from `folder`."""
    return render(report).replace(f"{folder}/", "").replace(str(folder), ".")


def _examples(code: Code, heading: str) -> list[Example]:
    _, _, rest = code.page.partition(f"## {heading}\n")
    section = rest.split("\n## ", 1)[0]
    recipes, files = [], {}
    for language, name, unfinished, text in _BLOCK.findall(section):
        if language == "yaml" and name in ("", "recipe.yaml"):
            recipes.append(text)
        elif name:
            files[name] = text.rstrip("\n") if unfinished else text
    return [Example(recipe, files) for recipe in recipes]
