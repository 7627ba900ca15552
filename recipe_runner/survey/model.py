"""What is known of a recipe's model without loading it: its configuration and tokenizer files."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.survey.codes import MODEL_NOT_FOUND
from recipe_runner.survey.paths import UnusablePathError, located

SHIPPED = "shipped:"
_PACKAGE = Path(__file__).parents[1] / "shipped"
_RELATIVE = "paths are relative to the recipe's folder; a hub id has the form `org/name`"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class ModelFacts:
    """A model or tokenizer folder, or a hub id of which nothing is known before a download.

    `path` is the absolute folder, or the hub id. `config` and `tokenizer_config` are
    the contents of the JSON files, empty where there are none.
    """

    path: str
    local: bool
    config: Mapping[str, Any] = field(default_factory=dict)
    tokenizer_config: Mapping[str, Any] = field(default_factory=dict)
    has_tokenizer: bool = False
    has_weights: bool = False
    chat_template: str | None = None

    @property
    def added_tokens(self) -> tuple[str, ...]:
        """Tokens that stand beside the vocabulary proper, as far as the configuration lists them."""
        listed = self.tokenizer_config.get("added_tokens_decoder")
        entries = listed.values() if isinstance(listed, Mapping) else ()
        return tuple(
            str(entry["content"])
            for entry in entries
            if isinstance(entry, Mapping) and "content" in entry
        )

    def special_token(self, name: str) -> str | None:
        """The tokenizer's own special token by its key ("pad_token"), where it has one."""
        value = self.tokenizer_config.get(name)
        if isinstance(value, Mapping):
            value = value.get("content")
        return value if isinstance(value, str) else None

    @property
    def sees(self) -> bool | None:
        """True where the configuration has a vision part; None where there is no configuration."""
        if not self.config:
            return None
        return any("vision" in key or "image" in key for key in self.config)

    @property
    def context_length(self) -> int | None:
        """The longest row the model takes, in tokens; None where its configuration does not say."""
        text = self.config.get("text_config") or self.config
        length = text.get("max_position_embeddings")
        return length if isinstance(length, int) else None


def survey_model(name: str, base: Path, kind: str, place: Place) -> ModelFacts:
    """Look at a model or tokenizer. Reports RR411 at `place` where a folder is not there.

    `kind` is the folder of the package that `shipped:` names look in: "models" or "tokenizers".
    """
    if name.startswith(SHIPPED):
        folder = _PACKAGE / kind / name.removeprefix(SHIPPED)
        if not folder.is_dir():
            known = ", ".join(
                sorted(f"{SHIPPED}{f.name}" for f in (_PACKAGE / kind).iterdir() if f.is_dir())
            )
            raise DiagnosticError(
                Diagnostic(
                    MODEL_NOT_FOUND, f"`{name}` is not shipped", place, f"there are: {known}"
                )
            )
        return _local(folder)
    try:
        folder = located(name, base).resolve()
    except UnusablePathError as error:
        message = f"`{name}` cannot be looked at: {error}"
        raise DiagnosticError(Diagnostic(MODEL_NOT_FOUND, message, place, _RELATIVE)) from error
    if folder.is_dir():
        return _local(folder)
    if folder.exists():
        message = f"`{name}` is a file, and a model is a folder"
        raise DiagnosticError(Diagnostic(MODEL_NOT_FOUND, message, place, _RELATIVE))
    if name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name):
        raise DiagnosticError(
            Diagnostic(
                MODEL_NOT_FOUND,
                f"`{name}` is not there: there is no folder `{folder}`",
                place,
                _RELATIVE,
            )
        )
    return ModelFacts(path=name, local=False)


def vocabulary_of(facts: ModelFacts) -> frozenset[str]:
    """The tokens of a tokenizer in a folder, added ones too; empty where they cannot be told."""
    tokenizer = _json(Path(facts.path) / "tokenizer.json") if facts.local else {}
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    entries = model.get("vocab") if isinstance(model, Mapping) else None
    # A unigram model lists its tokens in pairs with what each costs.
    tokens = (entry[0] if isinstance(entry, list) else entry for entry in entries or ())
    more = (entry["content"] for entry in added or ())
    return frozenset((*tokens, *more, *facts.added_tokens))


def _local(folder: Path) -> ModelFacts:
    template = folder / "chat_template.jinja"
    tokenizer_config = _json(folder / "tokenizer_config.json")
    text = (
        template.read_text(encoding="utf-8")
        if template.is_file()
        else tokenizer_config.get("chat_template")
    )
    return ModelFacts(
        path=str(folder),
        local=True,
        config=_json(folder / "config.json"),
        tokenizer_config=tokenizer_config,
        has_tokenizer=any(
            (folder / f).is_file()
            for f in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
        ),
        has_weights=any(folder.glob("*.safetensors")),
        chat_template=text if isinstance(text, str) else None,
    )


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a folder without a readable configuration is told about when it is loaded
    return value if isinstance(value, dict) else {}
