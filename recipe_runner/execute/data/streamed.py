"""The data of a run that streams: a stream to train on, prepared rows to evaluate on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from recipe_runner.components.format import Example
from recipe_runner.execute.data.build import ProgressSink
from recipe_runner.execute.data.cache import cache_root
from recipe_runner.execute.data.key import digest
from recipe_runner.execute.data.prepare import Prepared, prepare
from recipe_runner.execute.data.receipt import Receipt
from recipe_runner.plan import Plan, to_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from recipe_runner.execute.data.stream import Say, Stream


@dataclass(frozen=True)
class Streamed:
    """A stream that trains, and what evaluates; `receipt` is that of the rows to evaluate on."""

    train: Stream
    eval: Any | None
    receipt: Receipt | None
    prepared: Prepared | None
    plan: Plan

    def examples(self, count: int) -> Sequence[Example]:
        """The first rows to evaluate on, before tokenizing."""
        from recipe_runner.execute.data.examples import evaluation_examples

        if self.prepared is None:
            return []
        data = replace(self.plan.data, train=())
        return evaluation_examples(replace(self.plan, data=data), self.prepared, count)

    def final(self) -> Receipt:
        """The receipt of the whole run: the rows of the last epoch of the stream as well."""
        sources = self.train.receipts()
        held = self.receipt
        return Receipt(
            key=held.key if held else "",
            content=digest([to_json(source) for source in self.plan.data.train]),
            sources=(*sources, *(held.sources if held else ())),
            train_rows=sum(source.rows for source in sources),
            eval_rows=held.eval_rows if held else 0,
            train_tokens=sum(source.tokens for source in sources),
            trained_tokens=sum(source.trained_tokens for source in sources),
            cached=False,
            processes=1,
            seconds=held.seconds if held else 0.0,
        )


def prepared_part(plan: Plan) -> Plan | None:
    """What is prepared of `plan` before the run: all of it, or what a stream is evaluated on.

    None where nothing is.
    """
    data = plan.data
    if not data.streaming:
        return plan
    if not data.eval:
        return None
    return replace(
        plan,
        data=replace(
            data,
            train=data.eval,
            eval=(),
            streaming=False,
            mix_strategy="concatenate",
            packing=data.eval_packing,
            eval_packing=None,
        ),
    )


def stream(
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    *,
    progress: ProgressSink | None = None,
    say: Say | None = None,
) -> Streamed:
    """Open the stream of `plan` and prepare what it evaluates on.

    `say` is told now and then what was read. Raises `DiagnosticError` as `prepare` does;
    rows of the stream are judged as they come.
    """
    from recipe_runner.execute.data.packed import training_sequences
    from recipe_runner.execute.data.stream import Stream

    prepared = evaluation = receipt = None
    alone = prepared_part(plan)
    if alone is not None:
        prepared = prepare(alone, tokenizer, progress=progress)
        found = prepared.receipt
        receipt = replace(
            found,
            sources=tuple(replace(source, role="eval") for source in found.sources),
            train_rows=0,
            eval_rows=found.train_rows,
            train_tokens=0,
            trained_tokens=0,
        )
        evaluation = training_sequences(alone, prepared.folder)
    return Streamed(Stream(plan, tokenizer, cache_root(), say), evaluation, receipt, prepared, plan)
