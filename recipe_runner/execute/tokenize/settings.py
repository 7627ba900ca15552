"""What tokenizing is told and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recipe_runner.plan import LossPlan, Overlong, TruncationMode
from recipe_runner.plan.data import OnOddRow


@dataclass(frozen=True)
class TokenizeSettings:
    """How examples become tokens.

    Unless `not_rendered` is "keep", a row is refused of which the chat template leaves out
    calls, tools or thoughts.

    `max_length` is in tokens, None keeps rows whole. `truncation_mode` says which end of
    an overlong row stays. `chat_template` is Jinja text, None means the tokenizer's own;
    `chat_template_kwargs` go to it, and a row's own `chat_template_kwargs` win over them.
    """

    loss: LossPlan
    max_length: int | None = None
    overlong: Overlong = "truncate"
    chat_template: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    truncation_mode: TruncationMode = "keep_answer"
    not_rendered: OnOddRow = "keep"


@dataclass(frozen=True)
class Tokenized:
    """One row, ready for the collator.

    `labels` holds the token's id where the loss is taken and -100 elsewhere; `weights`
    the factor of each token's loss, None where all are 1. `truncated` counts the tokens
    that were cut off.
    """

    input_ids: list[int]
    labels: list[int]
    truncated: int = 0
    weights: list[float] | None = None
