"""Training, the saved tokenizer and a server: do they make the same tokens of a conversation.

Compared for a few rows of each data set, before the model is loaded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recipe_runner.diagnostics import Code, Diagnostic, Place
from recipe_runner.execute.build import class_of
from recipe_runner.execute.preview.codes import TEMPLATE_PARITY, TURN_END_NOT_TRAINED
from recipe_runner.execute.preview.compared import Compared
from recipe_runner.execute.preview.desk import Desk
from recipe_runner.execute.preview.quoted import quoted
from recipe_runner.execute.preview.roles import messages_of
from recipe_runner.execute.preview.row import weights_of
from recipe_runner.execute.tokenize import Tokenized
from recipe_runner.execute.tokenize.conversation import Chat, ChatTemplate, shared_length
from recipe_runner.plan import Feed
from recipe_runner.rows import RowProblem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONVERSATIONS: tuple[Feed, ...] = ("sequences", "answered_sequences")
"""Feeds whose rows are conversations."""

_ROWS = 16
_AROUND = 24
"""Tokens that are shown before a difference."""

_AHEAD = 8
"""Tokens that are shown from a difference on."""

_ENDING = 4
"""Trained tokens at the end of a row among which one has to stop the model."""


@dataclass(frozen=True)
class _Trained:
    """A conversation as it trains, with nothing cut off."""

    number: int
    chat: Chat
    tokens: Tokenized


@dataclass(frozen=True)
class _Mismatch:
    """The first token in which a row differs."""

    number: int
    words: str


def parity_findings(desk: Desk, numbers: Mapping[int, Sequence[int]]) -> list[Diagnostic]:
    """What differs, told once for each data set. Reports RR452 and RR453.

    `numbers` are the rows to compare, by the place of their data set. Rows that cannot be
    used are left out: preparing tells about them. Models that see are not compared, nor
    rows of several answers or of none, which are no conversation as they stand.
    """
    if desk.plan.model.sees or desk.plan.feed not in _CONVERSATIONS:
        return []
    trained = {place: list(_conversations(desk, place, numbers[place])) for place in numbers}
    if not any(trained.values()):
        return []
    found: list[Diagnostic] = []
    compared = Compared.of(desk, _facts(trained))
    saved = None if compared.known() else _saved(desk.tokenizer)
    stops = _stops(desk)
    for place, rows in trained.items():
        if not rows:
            continue
        path = desk.source(place).path
        if saved is not None:
            found += _told(desk, path, rows, _by_saved(desk, saved, rows), _SAVED)
        served = list(_by_server(desk, rows, own=True))
        found += _told(desk, path, rows, served, _served(desk))
        if not served and any(row.chat.kwargs for row in rows):
            found += _told(desk, path, rows, _by_server(desk, rows, own=False), _DEFAULTS)
        if desk.bench(place).settings.loss.end_of_turn != "none":
            found += _endings(desk, path, rows, stops)
    if saved is not None and not any(each.severity == "error" for each in found):
        compared.keep()
    return found


def rows_to_compare(desk: Desk, golden: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
    """Rows spread over the first of each training data set, and the golden ones of each."""
    places = range(len(desk.plan.data.train))
    return {place: sorted({*desk.spread(place, _ROWS), *golden.get(place, ())}) for place in places}


def _conversations(desk: Desk, place: int, numbers: Sequence[int]) -> Iterator[_Trained]:
    bench = desk.bench(place)
    settings = replace(bench.settings, max_length=None)
    found = [
        (outcome.where.number, outcome.example)
        for outcome in desk.outcomes(place, numbers)
        if outcome.example is not None and messages_of(outcome.example)
    ]
    results = replace(bench, settings=settings).tokenize([example for _, example in found])
    for (number, example), result in zip(found, results, strict=True):
        if not isinstance(result, RowProblem):
            chat = Chat.of(messages_of(example), example, settings.chat_template_kwargs)
            yield _Trained(number, chat, result[0])


def _facts(trained: Mapping[int, Sequence[_Trained]]) -> list[Any]:
    return [
        [row.chat.messages, row.chat.tools, dict(row.chat.kwargs), row.tokens.input_ids]
        for place in sorted(trained)
        for row in trained[place]
    ]


def _saved(tokenizer: PreTrainedTokenizerBase) -> Any:
    """The tokenizer as somebody will load it from the model's folder."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return class_of("transformers:AutoTokenizer").from_pretrained(folder)


def _by_saved(desk: Desk, saved: Any, rows: Iterable[_Trained]) -> Iterator[_Mismatch]:
    from jinja2 import TemplateError

    for row in rows:
        try:
            ids = saved.apply_chat_template(
                [dict(message) for message in row.chat.messages],
                tools=None if row.chat.tools is None else list(row.chat.tools),
                tokenize=True,
                return_dict=False,
                **row.chat.kwargs,
            )
        except (TemplateError, ValueError) as error:
            yield _Mismatch(row.number, f"it cannot render row {row.number}: {error}")
            continue
        trained = row.tokens.input_ids
        if list(ids) != trained and _is_steady(desk, row):
            told = _first(desk.tokenizer, trained, ids, "the saved tokenizer")
            yield _Mismatch(row.number, f"in row {row.number}, {told}")


def _by_server(desk: Desk, rows: Iterable[_Trained], *, own: bool) -> Iterator[_Mismatch]:
    """Rows that do not begin with the prompt for their last answer.

    With `own`, the server has the recipe's `chat_template_kwargs`; otherwise it has none.
    """
    template = ChatTemplate(desk.tokenizer, desk.plan.tokenizer.chat_template)
    for row in rows:
        turns = row.chat.assistant_turns
        if not turns or turns[-1] == 0:
            continue
        chat = row.chat if own else replace(row.chat, kwargs={})
        text = template.attempt(chat, chat.messages[: turns[-1]], prompt=True)
        if text is None:
            continue
        ids = desk.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        trained = row.tokens.input_ids
        if list(trained[: len(ids)]) != list(ids) and _is_steady(desk, row):
            told = _first(desk.tokenizer, trained, ids, "the prompt of a server")
            yield _Mismatch(row.number, f"in row {row.number}, {told}")


def _is_steady(desk: Desk, row: _Trained) -> bool:
    """False where the template writes the time, and it went on between two renderings."""
    template = ChatTemplate(desk.tokenizer, desk.plan.tokenizer.chat_template)
    text = template.attempt(row.chat, row.chat.messages)
    if text is None:
        return True
    backend = desk.tokenizer.backend_tokenizer
    return list(backend.encode(text, add_special_tokens=False).ids) == row.tokens.input_ids


def _first(
    tokenizer: PreTrainedTokenizerBase, trained: Sequence[int], other: Sequence[int], where: str
) -> str:
    """The first token that differs, on both sides, with the text before it."""
    at = shared_length(trained, other)
    before = quoted(tokenizer.decode(list(trained[max(0, at - _AROUND) : at])), last=48)
    after = f"after {before}, " if at else ""
    sides = [_side(tokenizer, ids[at : at + _AHEAD]) for ids in (trained, other)]
    return f"{after}from token {at + 1} on, training has {sides[0]} and {where} has {sides[1]}"


def _side(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return f"{quoted(tokenizer.decode(list(ids)))} (token {ids[0]})" if ids else "nothing"


@dataclass(frozen=True)
class _Words:
    code: Code
    what: str
    help: str


_SAVED = _Words(
    replace(TEMPLATE_PARITY, severity="error"),
    "the saved tokenizer makes other tokens than training",
    "set what the tokenizer needs in the recipe (`tokenizer.chat_template`, "
    "`tokenizer.special_tokens`), so that it is saved with it",
)
_SERVER = _Words(
    TEMPLATE_PARITY,
    "what a server asks is not how the trained conversation begins",
    "train with the template that the model is served with; `tokenizer.chat_template_kwargs` "
    "are the variables of the template, and a server needs the same ones",
)
_THINKING = replace(
    _SERVER,
    help=f"{_SERVER.help}; this template has `enable_thinking`: with false, here and on the "
    "server, an answer has no thought",
)
_DEFAULTS = _Words(
    TEMPLATE_PARITY,
    "without the recipe's `tokenizer.chat_template_kwargs`, what a server asks is not how the "
    "trained conversation begins",
    "have the server pass the same `chat_template_kwargs` with each request",
)


def _served(desk: Desk) -> _Words:
    template = desk.plan.tokenizer.chat_template or desk.tokenizer.chat_template
    thinks = isinstance(template, str) and "enable_thinking" in template
    return _THINKING if thinks else _SERVER


def _told(
    desk: Desk,
    path: str,
    rows: Sequence[_Trained],
    mismatches: Iterable[_Mismatch],
    words: _Words,
) -> Iterator[Diagnostic]:
    found = list(mismatches)
    if found:
        yield Diagnostic(
            words.code,
            f"{words.what}, in {len(found)} of {len(rows)} rows of `{path}` that were compared: "
            f"{found[0].words}",
            Place(desk.plan.recipe_path),
            words.help,
        )


def _endings(
    desk: Desk, path: str, rows: Sequence[_Trained], stops: Sequence[int]
) -> Iterator[Diagnostic]:
    odd: dict[int, int] = {}
    for row in rows:
        weights = weights_of(row.tokens)
        ids = [i for i, w in zip(row.tokens.input_ids, weights, strict=True) if w][-_ENDING:]
        if ids and not set(ids) & set(stops):
            odd[ids[-1]] = odd.get(ids[-1], 0) + 1
    if not odd:
        return
    count, last = sum(odd.values()), max(odd, key=lambda token: odd[token])
    tokenizer = desk.tokenizer
    ends = " or ".join(_side(tokenizer, [stop]) for stop in stops) or "no token at all"
    yield Diagnostic(
        TURN_END_NOT_TRAINED,
        f"in {count} of {len(rows)} rows of `{path}` that were compared, the trained answer ends "
        f"with {_side(tokenizer, [last])}, and the model stops at {ends}",
        Place(desk.plan.recipe_path),
        "name the token that ends a turn in the template as "
        "`tokenizer.special_tokens.eos_token`, or train it with `data.loss_on`",
    )


def _stops(desk: Desk) -> list[int]:
    """The tokens at which the trained model will stop when it is asked."""
    from transformers import GenerationConfig

    plan = desk.plan.model
    named: list[Any] = [desk.tokenizer.eos_token_id]
    try:
        # The run loads the same file with the weights a moment later.
        config = GenerationConfig.from_pretrained(
            plan.name_or_path, revision=plan.load.get("revision")
        )
        named.append(config.eos_token_id)
    except OSError:
        pass  # a model without one stops at the tokenizer's token
    found: dict[int, None] = {}
    for value in named:
        for token in value if isinstance(value, list | tuple) else [value]:
            if token is not None:
                found[int(token)] = None
    return list(found)
