"""The errors of rewards, with the row, the prompt and the answer that they are about."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from recipe_runner.components.reward import RewardError
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.fault import fault
from recipe_runner.execute.rewards import codes
from recipe_runner.execute.rewards.batch import Batch, text_of

_SHOWN = 120
"""Characters of a prompt and of an answer in a message."""

_AGAIN = "and start the run again; where nothing has to change, --resume auto goes on"


def failed(
    recipe: str, name: str, error: BaseException, batch: Batch, at: int | None, file: str | None
) -> DiagnosticError:
    """RR717 for an error, raised at the answer `at` or, where it is None, for the batch."""
    if isinstance(error, RewardError):
        said = f"cannot judge {_answer(batch, at or 0)}: {error}"
    else:
        # What is printed ends up in the log of the run.
        traceback.print_exception(error, file=sys.stderr)
        where = f"a batch of {len(batch)} answers" if at is None else _row(batch, at)
        said = f"failed on {where}: {_said(error)}{_line(error, file)}"
    return fault(
        codes.REWARD_FAILED,
        recipe,
        f"reward {name} {said}; {_quoted(batch, at or 0)}",
        f"correct {'the row' if file is None else 'the function, or the row,'} {_AGAIN}",
    )


def taken(recipe: str, name: str, column: str) -> DiagnosticError:
    """RR717 for a column that a function of the user's cannot be given by its name."""
    return fault(
        codes.REWARD_FAILED,
        recipe,
        f"reward {name} cannot be called: the rows have a column `{column}`, and its argument "
        f"`{column}` is for what the trainer gives",
        f"rename the column; where all rows have it, `columns: {{another_name: {column}}}` does",
    )


def miscounted(recipe: str, name: str, batch: Batch, words: str) -> DiagnosticError:
    """RR717 for a function that returned something else than one number per answer."""
    return fault(
        codes.REWARD_FAILED,
        recipe,
        f"reward {name} returned {words}, and a list of {len(batch)} numbers is expected, "
        f"one per answer; the first is {_answer(batch, 0)}; {_quoted(batch, 0)}",
        f"correct the function {_AGAIN}",
    )


def not_a_number(recipe: str, name: str, batch: Batch, at: int, value: Any) -> DiagnosticError:
    """RR717 for a value that is no number."""
    return fault(
        codes.REWARD_FAILED,
        recipe,
        f"reward {name} gave {_short(repr(value))} for {_answer(batch, at)}, "
        f"which is no number; {_quoted(batch, at)}",
        f"let it return one number per answer, {_AGAIN}",
    )


def not_finite(recipe: str, name: str, batch: Batch, at: int, value: Any) -> DiagnosticError:
    """RR718 for None and numbers that are not finite."""
    return fault(
        codes.REWARD_NOT_FINITE,
        recipe,
        f"reward {name} gave {value} for {_answer(batch, at)}; {_quoted(batch, at)}",
        f"let it return 0.0 where it has nothing to say, {_AGAIN}",
    )


def _answer(batch: Batch, at: int) -> str:
    row = batch.rows[at]
    return f"the answer to {row}" if row else _row(batch, at)


def _row(batch: Batch, at: int) -> str:
    return batch.rows[at] or f"answer {at + 1} of {len(batch)}"


def _quoted(batch: Batch, at: int) -> str:
    prompt = batch.prompts[at]
    if not isinstance(prompt, str):
        prompt = text_of(prompt[-1:])
    answer = text_of(batch.completions[at])
    return f"prompt {_beginning(prompt)}, answer {_beginning(answer)}"


def _beginning(text: str) -> str:
    return json.dumps(_short(text), ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _said(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _line(error: BaseException, file: str | None) -> str:
    """Where in the user's own file an error was raised."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
