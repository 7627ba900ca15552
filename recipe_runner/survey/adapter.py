"""What is known of a trained adapter without loading it: its configuration, and what it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.survey.codes import ADAPTER_NOT_FOUND
from recipe_runner.survey.model import ModelFacts
from recipe_runner.survey.paths import UnusablePathError, located

_CONFIG = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_RESULT = "model"
"""The folder of a run directory in which its result is."""

_RELATIVE = "paths are relative to the recipe's folder"
_FETCH = (
    f"{_RELATIVE}; fetch an adapter of the hub first: `hf download ORG/NAME --local-dir FOLDER`"
)


@dataclass(frozen=True)
class AdapterFacts:
    """A folder with an adapter. `path` is absolute, `config` the content of `adapter_config.json`.

    `merged` is the folder of the adapter that was part of its base when a run of ours trained
    it, None where there was none.
    """

    path: str
    config: Mapping[str, Any]
    merged: str | None = None

    @property
    def base(self) -> str | None:
        """The model that it was trained on: a folder or a hub id, where the configuration says so."""
        name = self.config.get("base_model_name_or_path")
        return name if isinstance(name, str) and name else None

    @property
    def peft_type(self) -> str:
        """PEFT's word for the method, such as "LORA"."""
        return str(self.config.get("peft_type"))


def survey_adapter(text: str, base: Path, place: Place) -> AdapterFacts:
    """Look at the adapter in a run directory or a folder of weights. Reports RR392 at `place`."""
    try:
        folder = located(text, base).resolve()
    except UnusablePathError as error:
        raise _missing(f"`{text}` cannot be looked at: {error}", place, _RELATIVE) from error
    if not folder.is_dir():
        raise _missing(f"`{text}` is not there: there is no folder `{folder}`", place, _FETCH)
    found = adapter_folder(folder)
    if found is None:
        whole = any((each / "config.json").is_file() for each in (folder, folder / _RESULT))
        raise _missing(
            f"`{text}` holds no adapter: there is no {_CONFIG} in it",
            place,
            "what it holds is a whole model: name it as `model`"
            if whole
            else "name the output_dir of a run that has finished, or the folder of an adapter",
        )
    if not (found / _WEIGHTS).is_file():
        message = f"`{text}` has no {_WEIGHTS}, and weights of another form are not read"
        raise _missing(
            message, place, "save it with PEFT's `save_pretrained`, which writes that file"
        )
    config = _json(found / _CONFIG)
    if "peft_type" not in config:
        message = f"`{text}` has an {_CONFIG} that does not say which method it is of"
        raise _missing(message, place, "take the file that PEFT has written")
    return AdapterFacts(str(found), config, _merged(found))


def demand_whole(name: str, facts: ModelFacts, place: Place) -> ModelFacts:
    """Refuse an adapter that is named as a model. Reports RR392 at `place`."""
    found = None if facts.config or not facts.local else adapter_folder(Path(facts.path))
    if found is None:
        return facts
    of = _json(found / _CONFIG).get("base_model_name_or_path") or "its base"
    raise _missing(
        f"`{name}` is an adapter, and a model is asked for",
        place,
        f"with `model: {of}`, `adapter: {{type: continued, path: {name}}}` trains it further; "
        f"`model: {{name_or_path: {of}, adapter: {name}}}` makes it part of the base",
    )


def adapter_folder(folder: Path) -> Path | None:
    """The folder of the adapter in a run directory or a folder of weights, None where none is."""
    return next((each for each in (folder, folder / _RESULT) if (each / _CONFIG).is_file()), None)


def _merged(folder: Path) -> str | None:
    model = _json(folder.parent / "plan.json").get("model") if folder.name == _RESULT else None
    adapter = model.get("adapter") if isinstance(model, Mapping) else None
    # One that was beneath is part of what was saved.
    if not isinstance(adapter, Mapping) or not adapter.get("merge"):
        return None
    return str(adapter.get("path"))


def _missing(message: str, place: Place, help_text: str) -> DiagnosticError:
    return DiagnosticError(Diagnostic(ADAPTER_NOT_FOUND, message, place, help_text))


def _json(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
