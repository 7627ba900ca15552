"""Rows that cannot be used, told as diagnostics, by the policy of their source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from recipe_runner.diagnostics import Code, Diagnostic, Place, Position, Span
from recipe_runner.plan import RowPolicy, SourcePlan
from recipe_runner.rows.codes.files import (
    MALFORMED_ROW,
    MISSING_COLUMN,
    ROW_DOES_NOT_FIT,
    TRUNCATED_FILE,
)
from recipe_runner.rows.codes.images import IMAGE_TOKENS_UNALIGNED, IMAGE_UNREADABLE
from recipe_runner.rows.codes.templates import NOT_RENDERED
from recipe_runner.rows.codes.tokens import (
    CHAT_TEMPLATE_REFUSED,
    CONSECUTIVE_ASSISTANT,
    EMPTY_COMPLETION,
    MASK_UNKNOWN,
    NO_CHAT_TEMPLATE,
    NO_ROWS_LEFT,
    NO_TRAINED_TOKEN,
    NOTHING_TO_TRAIN,
    ROW_OVER_LENGTH,
    UNKNOWN_ROLE,
)
from recipe_runner.rows.row import Where
from recipe_runner.rows.tally import Faults, Tally

_CODES: Mapping[str, Code] = {
    "malformed": MALFORMED_ROW,
    "truncated": TRUNCATED_FILE,
    "missing-column": MISSING_COLUMN,
    "null-column": MISSING_COLUMN,
    "unknown-role": UNKNOWN_ROLE,
    "empty-completion": EMPTY_COMPLETION,
    "consecutive-assistant": CONSECUTIVE_ASSISTANT,
    "no-trained-token": NO_TRAINED_TOKEN,
    "no-trained-turn": NO_TRAINED_TOKEN,
    "no-assistant-turn": NO_TRAINED_TOKEN,
    "no-completion": NO_TRAINED_TOKEN,
    "over-length-refused": ROW_OVER_LENGTH,
    "mask-unknown": MASK_UNKNOWN,
    "template-refused": CHAT_TEMPLATE_REFUSED,
    "not-rendered": NOT_RENDERED,
    "no-chat-template": NO_CHAT_TEMPLATE,
    "image-missing": IMAGE_UNREADABLE,
    "image-broken": IMAGE_UNREADABLE,
    "image-refused": IMAGE_UNREADABLE,
    "image-tokens-unaligned": IMAGE_TOKENS_UNALIGNED,
}
"""The code of each reason; any other is a row that does not fit its format."""

_KINDS: Mapping[str, str] = {
    "malformed": "unreadable",
    "truncated": "unreadable",
    "not-an-object": "unreadable",
    "missing-column": "unreadable",
    "null-column": "unreadable",
    "unknown-role": "unknown_role",
    "empty-completion": "empty_completion",
    "consecutive-assistant": "consecutive_assistant",
    "not-rendered": "not_rendered",
    "no-trained-token": "untrainable",
    "no-trained-turn": "untrainable",
    "no-assistant-turn": "untrainable",
    "no-completion": "untrainable",
}
"""The kind of fault, a field of `RowPolicy`, of each reason; any other does not fit."""

_ASKED_FOR = frozenset({"over-length"})
"""Reasons that the recipe itself asks to drop rows for."""

_NEVER_SKIPPED = (ROW_OVER_LENGTH, NO_CHAT_TEMPLATE)
"""Codes that concern the recipe, not a bad row: `on_bad_row: drop` does not cover them."""


def _skip(kind: str) -> str:
    return f"write `on_bad_row: {{{kind}: drop}}` to leave such rows out"


_SKIP = _skip("does_not_fit")
_HELP: Mapping[Code, str] = {
    MALFORMED_ROW: f"repair the row, or {_skip('unreadable')}",
    TRUNCATED_FILE: "the file was not written to its end: fetch or write it again, or "
    + _skip("unreadable"),
    MISSING_COLUMN: "name the format that the rows have, rename columns with `columns`, or "
    + _skip("unreadable"),
    ROW_DOES_NOT_FIT: f"repair the row, or {_SKIP}",
    UNKNOWN_ROLE: f"name the role in the format's `roles`, or {_skip('unknown_role')}",
    EMPTY_COMPLETION: "write the answer, or `on_bad_row: {empty_completion: drop}` to leave such "
    "rows out",
    CONSECUTIVE_ASSISTANT: "join the two turns, or write `on_bad_row: {consecutive_assistant: "
    "keep}` to train on both, or `drop` to leave such rows out",
    NO_TRAINED_TOKEN: f"raise `data.max_length` where rows are cut off, choose another "
    f"`data.loss_on`, or {_skip('untrainable')}",
    ROW_OVER_LENGTH: "raise `data.max_length`, or choose `data.overlong: truncate` or `drop`",
    MASK_UNKNOWN: f"use a chat template with `{{% generation %}}` markers, or `data.loss_on: all`, "
    f"or {_SKIP}",
    CHAT_TEMPLATE_REFUSED: f"repair the row, choose another `tokenizer.chat_template`, or {_SKIP}",
    NOT_RENDERED: "choose a `tokenizer.chat_template` that writes it, or write `on_bad_row: "
    "{not_rendered: keep}` to train on what is written, or `drop` to leave such rows out",
    IMAGE_UNREADABLE: f"put the image where its path says, seen from the folder of the data, or {_SKIP}",
    IMAGE_TOKENS_UNALIGNED: f"take image tokens out of the text, choose another "
    f"`tokenizer.chat_template`, or {_SKIP}",
    NO_CHAT_TEMPLATE: "name one with `tokenizer.chat_template`, or use data that are text",
}


def of(source: SourcePlan, tally: Tally, recipe: str) -> Iterator[Diagnostic]:
    """What stands in the way of using `source`, one diagnostic per reason."""
    masked = sum(f.rows for r, f in tally.faults.items() if _code(r) is NO_TRAINED_TOKEN)
    if masked and masked == tally.read:
        yield _nothing_to_train(source, tally, recipe)
        return
    stopping = {
        reason: faults
        for reason, faults in tally.faults.items()
        if reason not in _ASKED_FOR
        and (policy_of(source.on_bad_row, reason) == "error" or _code(reason) in _NEVER_SKIPPED)
    }
    for reason, faults in stopping.items():
        yield _diagnostic(source, _code(reason), faults, tally.read, recipe)
    if not stopping and not tally.used:
        yield _no_rows_left(source, tally, recipe)


def policy_of(policy: RowPolicy, reason: str) -> str:
    """What `policy` says about rows with a fault of this reason."""
    return str(getattr(policy, _KINDS.get(reason, "does_not_fit")))


def _code(reason: str) -> Code:
    return _CODES.get(reason, ROW_DOES_NOT_FIT)


def _diagnostic(
    source: SourcePlan, code: Code, faults: Faults, read: int, recipe: str
) -> Diagnostic:
    where, words = faults.first[0]
    message = f"row {where.number} of `{source.path}` {words}"
    if where.line is not None and where.file is not None:
        message = f"line {where.line} of `{Path(where.file).name}` {words}"
    if faults.rows > 1:
        others = "so does 1 more" if faults.rows == 2 else f"so do {faults.rows - 1} more"
        message += f"; {others} of {read} rows ({_numbers(faults)})"
    return Diagnostic(code, message, _place(source, where, recipe), _HELP[code])


def _numbers(faults: Faults) -> str:
    lines = all(where.line is not None for where, _ in faults.first)
    more = [str(where.line if lines else where.number) for where, _ in faults.first[1:]]
    dots = ", …" if faults.rows > len(faults.first) else ""
    return f"{'line' if lines else 'row'} {', '.join(more)}{dots}"


def _place(source: SourcePlan, where: Where, recipe: str) -> Place:
    if where.file is None or where.line is None:
        return Place(source.files[0] if source.files else recipe)
    start = Position(where.line, where.column, 0)
    return Place(where.file, Span(start, start), where.excerpt, where.excerpt_column)


def _nothing_to_train(source: SourcePlan, tally: Tally, recipe: str) -> Diagnostic:
    where, words = min(f.first[0] for f in tally.faults.values())
    return Diagnostic(
        NOTHING_TO_TRAIN,
        f"none of the {tally.read} rows of `{source.path}` has a token to train on with "
        f"`loss_on: {source.loss.name}`: row {where.number} {words}",
        _place(source, where, recipe),
        "choose another `data.loss_on`, raise `data.max_length`, or name the format that the "
        "rows have",
    )


def _no_rows_left(source: SourcePlan, tally: Tally, recipe: str) -> Diagnostic:
    if not tally.faults:
        return Diagnostic(
            NO_ROWS_LEFT,
            f"`{source.path}` gives no row",
            Place(source.files[0] if source.files else recipe),
            "write the data again, or use more of it: look at `limit` and `fraction_of_rows`",
        )
    reasons = ", ".join(f"{reason}: {faults.rows}" for reason, faults in tally.faults.items())
    where, words = min(f.first[0] for f in tally.faults.values())
    return Diagnostic(
        NO_ROWS_LEFT,
        f"all {tally.read} rows of `{source.path}` are left out ({reasons}); "
        f"row {where.number} {words}",
        _place(source, where, recipe),
        "name the format that the rows have, rename columns with `columns`, or raise "
        "`data.max_length`",
    )
