"""Which commit of a hub data set a revision names, also when there is no connection."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.atomic import write_json
from recipe_runner.execute.data.tables import unreachable
from recipe_runner.plan import SourcePlan

_COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(source: SourcePlan, root: Path, recipe: str) -> str:
    """The commit that `source.revision` names on the hub.

    Without a connection, what it named the last time. Reports RR426 where neither is known.
    """
    revision = source.revision or "main"
    if _COMMIT.fullmatch(revision):
        return revision
    name, index = f"{source.path}@{revision}", root / "commits.json"
    try:
        commit = _ask(source.path, revision)
    except OSError as error:
        last = _known(index).get(name)
        if last is None:
            raise DiagnosticError(unreachable(source, recipe, error)) from error
        return last
    _note(index, name, commit)
    return commit


def _ask(name: str, revision: str) -> str:
    """Ask the hub. Raises OSError (HTTP errors, no connection, offline mode)."""
    from huggingface_hub import HfApi

    # The HTTP client's own base class, by the name that does not depend on the client.
    from huggingface_hub.errors import HFValidationError, HTTPError

    try:
        commit = HfApi().dataset_info(name, revision=revision, timeout=20).sha
    except (HFValidationError, HTTPError) as error:
        raise ConnectionError(str(error)) from error
    if commit is None:
        raise FileNotFoundError(f"the hub names no commit for {name} at {revision}")
    return str(commit)


def _known(index: Path) -> dict[str, str]:
    try:
        known = json.loads(index.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _note(index: Path, name: str, commit: str) -> None:
    # A cache that can only be read is still one; the commit is then asked for each time.
    with contextlib.suppress(OSError):
        index.parent.mkdir(parents=True, exist_ok=True)
        write_json(index, _known(index) | {name: commit})
