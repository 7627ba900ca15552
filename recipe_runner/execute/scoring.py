"""Scores a run before and after training, and keeps the answers in `score.json`.

The answers from before training are on disk, so a resumed run still has them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recipe_runner.execute import atomic
from recipe_runner.execute.outcome import Sample, Scored
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import ScorePlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recipe_runner.execute.score import Score

    Rows = Sequence[Sequence[dict[str, Any]]]


@dataclass(frozen=True)
class Scoring:
    """Greedy exact match on the same held-out conversations, before and after."""

    plan: ScorePlan
    run: RunDirectory
    rows: Rows
    chat_template_kwargs: Mapping[str, Any]

    def before(self, model: Any, tokenizer: Any) -> None:
        """Answer with the untrained model."""
        score = self._answers(model, tokenizer)
        atomic.write_json(
            self.run.score_file,
            {"before": score.accuracy, "answers": [row.answer for row in score.rows]},
        )

    def after(self, model: Any, tokenizer: Any) -> Scored:
        """Answer with the trained model, and compare."""
        score = self._answers(model, tokenizer)
        first = self._read()
        answers = first.get("answers") or [""] * len(score.rows)
        scored = Scored(
            rows=len(score.rows),
            before=first.get("before"),
            after=score.accuracy,
            samples=tuple(
                Sample(_question(row), row.expected, old, row.answer)
                for row, old in zip(score.rows, answers, strict=True)
            )[: self.plan.show],
        )
        atomic.write_json(
            self.run.score_file,
            {
                **first,
                "after": score.accuracy,
                "answers_after": [row.answer for row in score.rows],
            },
        )
        return scored

    def _answers(self, model: Any, tokenizer: Any) -> Score:
        from recipe_runner.execute.score import exact_match

        with same_draws():
            return exact_match(
                model,
                tokenizer,
                self.rows,
                max_new_tokens=self.plan.max_new_tokens,
                batch_size=self.plan.batch_size,
                chat_template_kwargs=self.chat_template_kwargs,
            )

    def _read(self) -> dict[str, Any]:
        try:
            value = json.loads(self.run.score_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


@contextmanager
def same_draws() -> Iterator[None]:
    """Leave the random generators as they were: training draws as it would without the block."""
    import torch

    state = random.getstate()
    with torch.random.fork_rng():
        yield
    random.setstate(state)


def _question(answer: Any) -> str:
    """The last user turn, which is what a person wants to see."""
    turns = [str(m.get("content", "")) for m in answer.prompt if m.get("role") == "user"]
    return turns[-1] if turns else ""
