"""The chat template that a recipe asks for, as text."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place
from recipe_runner.recipe.sections import TemplateFile, TemplateInline
from recipe_runner.survey.codes import TEMPLATE_NOT_FOUND
from recipe_runner.survey.paths import UnusablePathError, located

_FOLDER = Path(__file__).parents[1] / "shipped" / "chat_templates"
OWN = "tokenizer"
"""The word for the tokenizer's own template."""


@dataclass(frozen=True)
class TemplateFacts:
    """A chat template: its `text`, None for the tokenizer's own, and where it comes from."""

    text: str | None
    source: str


def shipped() -> tuple[str, ...]:
    """The names of the templates that the package ships."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.jinja")))


def survey_template(
    wanted: str | TemplateFile | TemplateInline, base: Path, place: Place
) -> TemplateFacts:
    """Find a chat template. Reports RR412 at `place`."""
    if wanted == OWN:
        return TemplateFacts(None, OWN)
    if isinstance(wanted, TemplateInline):
        return TemplateFacts(wanted.inline, "inline")
    if isinstance(wanted, TemplateFile):
        return TemplateFacts(_read(wanted.file, base, place), wanted.file)
    if wanted not in shipped():
        near = difflib.get_close_matches(wanted, shipped(), n=1)
        hint = f"did you mean `{near[0]}`? " if near else ""
        choices = ", ".join([OWN, *shipped()])
        raise DiagnosticError(
            Diagnostic(
                TEMPLATE_NOT_FOUND,
                f"no chat template `{wanted}` is shipped",
                place,
                f"{hint}choices: {choices}, or {{file: path}}, {{inline: text}}",
            )
        )
    return TemplateFacts(
        (_FOLDER / f"{wanted}.jinja").read_text(encoding="utf-8"), f"shipped:{wanted}"
    )


def _read(path: str, base: Path, place: Place) -> str:
    try:
        file = located(path, base).resolve()
        if file.is_file():
            return file.read_text(encoding="utf-8")
        finding = f"there is no chat template `{file}`"
    except UnusablePathError as error:
        finding = f"`{path}` cannot be looked at: {error}"
    except UnicodeDecodeError as error:
        finding = f"the chat template `{path}` is not UTF-8 text, at byte {error.start}"
    except OSError as error:
        finding = f"the chat template `{path}` cannot be read: {(error.strerror or '').lower()}"
    raise DiagnosticError(
        Diagnostic(TEMPLATE_NOT_FOUND, finding, place, "paths are relative to the recipe's folder")
    )
