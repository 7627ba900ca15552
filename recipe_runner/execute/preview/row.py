"""One row as the model sees it, made by the code that prepares the rows to train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from recipe_runner.components.format import Example
from recipe_runner.diagnostics import Diagnostic
from recipe_runner.execute.data.work import Bench, Outcome
from recipe_runner.execute.preview.pieces import Piece, Reading
from recipe_runner.execute.preview.roles import roles_of
from recipe_runner.execute.tokenize import IGNORED, AnswersRow, Tokenized
from recipe_runner.execute.vision import ImageRow, image_token_ids, plain_tokens, split
from recipe_runner.execute.vision.reading import IMAGE
from recipe_runner.plan import LossPlan, RowPolicy
from recipe_runner.rows import RowProblem, Where, findings
from recipe_runner.rows.tally import Tally

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Source:
    """The data set that a row is from: its role, its place there from 1, its path in the recipe."""

    role: str
    number: int
    path: str


@dataclass(frozen=True)
class Problem:
    """Why a row does not train as it is, and what becomes of it: "error" or "drop"."""

    reason: str
    message: str
    outcome: str
    diagnostic: Diagnostic | None = None


@dataclass(frozen=True)
class Count:
    """Tokens, and those of them that train."""

    tokens: int = 0
    trained: int = 0


@dataclass(frozen=True)
class PreviewRow:
    """A row of a data set as tokens.

    `tokens` and `trained` count those that are left after truncation, `truncated` those
    that were cut off. A row that was split has several `parts`. A row with a `problem`
    has pieces only where its text could be rendered, and none of them trains. `answers` is
    True for a prompt with answers to it, each of which is a sequence with the prompt.
    """

    source: Source
    where: Where
    tokens: int = 0
    trained: int = 0
    truncated: int = 0
    roles: Mapping[str, Count] = field(default_factory=dict)
    pieces: tuple[Piece, ...] = ()
    part: int = 1
    parts: int = 1
    problem: Problem | None = None
    answers: bool = False

    @property
    def passages(self) -> list[tuple[str, tuple[Piece, ...]]]:
        """The text in the parts in which a person reads it, each with its name.

        A prompt and its answers are parts by their roles; any other row is one without a name.
        """
        if not self.answers:
            return [("", self.pieces)]
        return [(role, tuple(those)) for role, those in groupby(self.pieces, attrgetter("role"))]

    @property
    def share(self) -> float:
        """The share of tokens that train, 0 to 1."""
        return self.trained / self.tokens if self.tokens else 0.0


@dataclass(frozen=True)
class Lens:
    """Turns what became of rows into what a person looks at."""

    bench: Bench
    source: Source
    reading: Reading
    recipe: str
    _whole: Bench = field(repr=False)

    @classmethod
    def of(
        cls, bench: Bench, source: Source, tokenizer: PreTrainedTokenizerBase, recipe: str
    ) -> Lens:
        whole = replace(bench, settings=replace(bench.settings, max_length=None))
        images = frozenset() if bench.processor is None else image_token_ids(bench.processor)
        return cls(bench, source, Reading.of(tokenizer, images), recipe, whole)

    def rows(self, outcome: Outcome) -> list[PreviewRow]:
        """The row, or the parts that it was split into."""
        if isinstance(outcome.result, RowProblem):
            return [self._broken(outcome, outcome.result)]
        assert outcome.example is not None
        parts = len(outcome.result)
        return [
            self._row(outcome.where, outcome.example, tokenized, number, parts)
            for number, tokenized in enumerate(outcome.result, 1)
        ]

    def _row(
        self, where: Where, example: Example, tokenized: Tokenized, part: int, parts: int
    ) -> PreviewRow:
        whole = tokenized
        if tokenized.truncated or parts > 1:
            (result,) = self._whole.tokenize([example])
            if not isinstance(result, RowProblem) and len(result) == 1:
                whole = result[0]
        kept = None if whole is tokenized else _kept(whole.input_ids, tokenized.input_ids)
        if kept is None:
            kept, whole = [range(len(tokenized.input_ids))], tokenized
        inside = {number for each in kept for number in each}
        # Of a row that was split, the other parts are rows of their own.
        shown = sorted(inside) if parts > 1 else range(len(whole.input_ids))
        weights = weights_of(whole)
        roles = self._roles(example, whole, [label != IGNORED for label in whole.labels])
        pieces = self.reading.pieces(
            [whole.input_ids[n] for n in shown],
            [weights[n] if n in inside else 0.0 for n in shown],
            [roles[n] for n in shown],
            [n not in inside for n in shown],
        )
        counts = weights_of(tokenized)
        return PreviewRow(
            source=self.source,
            where=where,
            tokens=len(counts),
            trained=sum(weight != 0 for weight in counts),
            truncated=tokenized.truncated,
            roles=_counted([roles[n] for n in sorted(inside)], counts),
            pieces=pieces,
            part=part,
            parts=parts,
            answers=isinstance(whole, AnswersRow),
        )

    def _roles(self, example: Example, whole: Tokenized, trained: list[bool]) -> list[str]:
        settings = self.bench.settings
        if isinstance(whole, AnswersRow):
            return whole.roles
        if isinstance(whole, ImageRow) and whole.images:
            return self._roles_of_seen(example, whole, trained)
        return roles_of(example, whole.input_ids, trained, self.bench.tokenizer, settings)

    def _roles_of_seen(self, example: Example, whole: ImageRow, trained: list[bool]) -> list[str]:
        """The roles of the text without its images, and the images among them."""
        bench, plain = self.bench, split(example)[0]
        found = plain_tokens(whole, bench.processor)
        if found is None:
            return roles_of(plain, whole.input_ids, trained, bench.tokenizer, bench.settings)
        ids, places = found
        taken = [False] * len(ids)
        for place, train in zip(places, trained, strict=True):
            if place is not None:
                taken[place] = train
        roles = roles_of(plain, ids, taken, bench.tokenizer, bench.settings)
        return [IMAGE if place is None else roles[place] for place in places]

    def _broken(self, outcome: Outcome, problem: RowProblem) -> PreviewRow:
        tokens, pieces = 0, tuple[Piece, ...]()
        roles: dict[str, Count] = {}
        if outcome.example is not None:
            whole = self._without_loss(outcome.example)
            if whole is not None:
                nothing = [False] * len(whole.input_ids)
                named = self._roles(outcome.example, whole, nothing)
                tokens = len(whole.input_ids)
                pieces = self.reading.pieces(whole.input_ids, [0.0] * tokens, named, nothing)
                roles = _counted(named, [0.0] * tokens)
        return PreviewRow(
            source=self.source,
            where=outcome.where,
            tokens=tokens,
            roles=roles,
            pieces=pieces,
            problem=self._problem(outcome.where, problem),
        )

    def _without_loss(self, example: Example) -> Tokenized | None:
        """The tokens of a row that does not train, where it can be rendered at all."""
        settings = replace(self._whole.settings, loss=LossPlan.of("all"))
        (result,) = replace(self._whole, settings=settings).tokenize([example])
        return None if isinstance(result, RowProblem) else result[0]

    def _problem(self, where: Where, problem: RowProblem) -> Problem:
        source = self.bench.reader.source
        tally = Tally(read=max(2, len(self.bench.reader.rows)), used=1)
        tally.fault(where, problem)
        stopping = list(findings.of(source, tally, self.recipe))
        strict = replace(source, on_bad_row=RowPolicy.of("error"))
        told = stopping or list(findings.of(strict, tally, self.recipe))
        return Problem(
            problem.reason,
            problem.message,
            "error" if stopping else "drop",
            told[0] if told else None,
        )


def weights_of(tokenized: Tokenized) -> list[float]:
    """The factor of each token's loss, 0 where none is taken."""
    weights = tokenized.weights or [1.0] * len(tokenized.labels)
    return [
        0.0 if label == IGNORED else weight
        for label, weight in zip(tokenized.labels, weights, strict=True)
    ]


def _kept(whole: Sequence[int], kept: Sequence[int]) -> list[range] | None:
    """Which tokens of the whole row are left: a start, an end, or both; None where neither tells."""
    count = len(kept)
    start = next((n for n in range(count) if whole[n] != kept[n]), count)
    rest = count - start
    if list(whole[len(whole) - rest :]) == list(kept[start:]):
        return [range(start), range(len(whole) - rest, len(whole))]
    for begin in range(len(whole) - count + 1):
        if whole[begin] == kept[0] and list(whole[begin : begin + count]) == list(kept):
            return [range(begin, begin + count)]
    return None


def _counted(roles: Sequence[str], weights: Sequence[float]) -> dict[str, Count]:
    counts: dict[str, Count] = {}
    for role, weight in zip(roles, weights, strict=True):
        before = counts.get(role, Count())
        counts[role] = Count(before.tokens + 1, before.trained + (weight != 0))
    return counts
