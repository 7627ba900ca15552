"""The golden rows beside a recipe, where there are some."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.rows.golden import (
    Golden,
    GoldenFormatError,
    decode,
    golden_path,
    hashes_of_files,
)
from recipe_runner.survey.codes import GOLDEN_UNREADABLE
from recipe_runner.survey.model import ModelFacts


@dataclass(frozen=True)
class GoldenFacts:
    """A golden file, by its absolute `path` and its `name`, and hashes of the tokenizer's files."""

    path: str
    name: str
    golden: Golden
    tokenizer_files: Mapping[str, str] = field(default_factory=dict)


def survey_golden(recipe: Path, shown: str, tokenizer: ModelFacts | None) -> GoldenFacts | None:
    """Look for the golden rows of the file `recipe`, `shown` so. Reports RR454."""
    file = golden_path(recipe)
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DiagnosticError(
            _unreadable(golden_path(shown), f"it cannot be read: {error}")
        ) from error
    try:
        golden = decode(text)
    except GoldenFormatError as error:
        raise DiagnosticError(_unreadable(golden_path(shown), str(error))) from error
    local = tokenizer is not None and tokenizer.local
    hashes = hashes_of_files(Path(tokenizer.path)) if tokenizer is not None and local else {}
    return GoldenFacts(str(file.absolute()), file.name, golden, hashes)


def _unreadable(file: Path, why: str) -> Diagnostic:
    return Diagnostic(
        GOLDEN_UNREADABLE,
        f"`{file.name}` is no file of golden rows: {why}",
        Place(str(file)),
        "take it from version control again, or remove it and write it with "
        "`recipe-run preview RECIPE --golden`",
    )
