"""Decides the format of each data set and which of its tokens train."""

from recipe_runner.compiler.codes import (
    ALGORITHM_DATA_MISMATCH,
    FORMAT_NOT_RECOGNISED,
    NO_COMPLETION,
)
from recipe_runner.compiler.resolved import Draft, Path, ResolvedSource
from recipe_runner.components.base import discover
from recipe_runner.components.format import Format
from recipe_runner.diagnostics import Diagnostic
from recipe_runner.plan import LossPlan, Shape
from recipe_runner.recipe.sections import EvalSplit, Loss, SourceSpec
from recipe_runner.rows import Row, rename
from recipe_runner.rows.codes.files import NO_ROWS
from recipe_runner.survey.data import SourceFacts
from recipe_runner.syntax import Document, dotted

_COMPLETION = LossPlan("completion")

_LOSS: dict[Shape, tuple[LossPlan, str]] = {
    "conversation": (LossPlan("turns"), "conversations train on the assistant's turns"),
    "prompt_completion": (_COMPLETION, "a prompt and its completion train on the completion"),
    "text": (LossPlan("all"), "plain text trains on every token"),
    "tokenized": (LossPlan("given"), "tokens train where the rows' own labels say so"),
    "segments": (LossPlan("given"), "segments train where they are marked"),
    "preference": (_COMPLETION, "pairs train on their answers"),
    "unpaired_preference": (_COMPLETION, "judged answers train on the answer"),
    "stepwise": (_COMPLETION, "judged steps train on the steps"),
    "prompt": (_COMPLETION, "the answers to prompts are made while training"),
}
"""What `auto` means for each shape of example, and why."""

_MASKS: dict[Shape, tuple[str, ...]] = {
    "conversation": ("assistant", "last_assistant", "all"),
    "prompt_completion": ("completion", "all"),
    "text": ("all",),
    "tokenized": ("all",),
    "segments": ("all",),
    "preference": ("completion",),
    "unpaired_preference": ("completion",),
    "stepwise": ("completion",),
    "prompt": ("completion",),
}
"""The words that `loss_on` may be for each shape of example, besides `auto`."""

_WITH_TURNS: frozenset[Shape] = frozenset({"conversation", "prompt_completion"})
"""Shapes of which the finer settings of `loss_on` may speak."""

Resolved = tuple[ResolvedSource, ...]


def resolve_sources(
    draft: Draft, document: Document
) -> tuple[Resolved, Resolved, Draft, tuple[Diagnostic, ...]]:
    """Decide formats and loss masks. Data sets that were not found are left out."""
    findings: list[Diagnostic] = []
    train, draft = _resolve_all(
        draft, "train", draft.recipe.data.train, draft.around.train, document, findings
    )
    held = draft.recipe.data.eval
    specs = () if held is None or isinstance(held, EvalSplit) else held
    evaluation, draft = _resolve_all(draft, "eval", specs, draft.around.eval, document, findings)
    return train, evaluation, draft, tuple(findings)


def _resolve_all(
    draft: Draft,
    key: str,
    specs: tuple[SourceSpec, ...],
    facts: tuple[SourceFacts | None, ...],
    document: Document,
    findings: list[Diagnostic],
) -> tuple[Resolved, Draft]:
    resolved = []
    for index, (spec, found) in enumerate(zip(specs, facts, strict=True)):
        path = _path(document, key, index)
        if found is None:
            continue
        format_, draft = _format(draft, spec, found, path, document, findings)
        if format_ is None:
            continue
        loss, draft = _loss(draft, format_, path, document, findings)
        resolved.append(ResolvedSource(path, spec, found, format_, loss))
    return tuple(resolved), draft


def _path(document: Document, key: str, index: int) -> Path:
    """Where a data set stands in the recipe, which may leave out a list of one."""
    full: Path = ("data", key, index)
    return full if full in document.spans else ("data", key)


def _format(
    draft: Draft,
    spec: SourceSpec,
    found: SourceFacts,
    path: Path,
    document: Document,
    findings: list[Diagnostic],
) -> tuple[Format | None, Draft]:
    if isinstance(spec.format, Format):
        return spec.format, draft
    kinds: list[type[Format]] = list(discover("recipe_runner.components.formats").values())  # type: ignore[arg-type]
    kinds.sort(key=lambda kind: kind.rank)
    row = found.first_row
    names = ", ".join(kind.type_name() for kind in kinds)
    place = document.place((*path, "path") if (*path, "path") in document.spans else path)
    if found.rows == 0:
        message = f"`{spec.path}` has no rows"
        findings.append(Diagnostic(NO_ROWS, message, place, "put rows into it, or name other data"))
        return None, draft
    if row is None and not found.sample:
        message = f"the format of `{spec.path}` cannot be told before its rows are read"
        findings.append(
            Diagnostic(FORMAT_NOT_RECOGNISED, message, place, f"set `format` to one of {names}")
        )
        return None, draft
    if row is None:
        return None, draft  # every row is broken, which is told row by row
    row = _renamed(row, spec)
    fitting = {kind: why for kind in kinds if (why := kind.recognises(row)) is not None}
    for kind, because in fitting.items():
        options = kind.recognised_options(row)
        format_ = kind.model_validate({"type": kind.type_name(), **options})
        if others := [other.type_name() for other in fitting if other is not kind]:
            because += f"; {' and '.join(others)} would fit too"
        shown = format_.options() | {"type": format_.type}
        return format_, draft.note(f"{dotted(path)}.format", shown, because)
    have = ", ".join(f"`{column}`" for column in row) or "none"
    message = f"the format of `{spec.path}` is not recognised from its columns: {have}"
    help_text = f"set `format` to one of {names}, with the names of its columns"
    findings.append(Diagnostic(FORMAT_NOT_RECOGNISED, message, place, help_text))
    return None, draft


def _renamed(row: Row, spec: SourceSpec) -> Row:
    present = {ours: theirs for ours, theirs in spec.columns.items() if theirs in row}
    return rename(row, present)


def _loss(
    draft: Draft, format_: Format, path: Path, document: Document, findings: list[Diagnostic]
) -> tuple[LossPlan, Draft]:
    wanted = draft.recipe.data.loss_on
    shapes = draft.recipe.algorithm.example_shapes
    place = document.place((*path, "format") if (*path, "format") in document.spans else path)
    shape = format_.example_shape
    if shape not in shapes:
        name = draft.recipe.algorithm.type
        message = f"`{dotted(path)}` holds {shape} examples, which {name} cannot learn from"
        help_text = f"{name} takes {', '.join(shapes)} examples"
        findings.append(Diagnostic(ALGORITHM_DATA_MISMATCH, message, place, help_text))
    value, because = _LOSS[shape]
    if wanted == "auto":
        return value, draft.note(f"{dotted(path)}.loss_on", value.name, because)
    if isinstance(wanted, Loss):
        mask = LossPlan(
            value.on if value.on == "completion" else "turns",
            wanted.roles,
            wanted.turns,
            wanted.end_of_turn,
            wanted.end_of_turn_tokens,
            wanted.weights,
        )
        possible = shape in _WITH_TURNS
    else:
        mask, possible = LossPlan.of(wanted), wanted in _MASKS[shape]
    if not possible:
        said = "about turns" if isinstance(wanted, Loss) else wanted
        message = f"`data.loss_on` is {said}, but `{dotted(path)}` holds {shape} examples"
        masks = ", ".join(("auto", *_MASKS[shape]))
        findings.append(
            Diagnostic(
                NO_COMPLETION,
                message,
                document.place(("data", "loss_on")),
                f"choices here: {masks}",
            )
        )
    return mask, draft
