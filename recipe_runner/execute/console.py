"""How a run speaks to a person: through a console that the caller owns.

`execute` never prints. A console must hold on to its own stream: while a run lasts,
`sys.stdout` and `sys.stderr` point into the run's `train.log`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from recipe_runner.diagnostics import Diagnostic


@dataclass(frozen=True)
class Progress:
    """Where a run is.

    Steps are optimizer steps, memory is the peak in bytes (of the GPU where there is
    one, else of the process), times are in seconds. `logged` is True where the loss
    is a fresh one, at a logging step. `watched` are numbers beside the losses, by their
    names for a person. What is not known yet is None.
    """

    step: int
    total: int
    epoch: float | None = None
    loss: float | None = None
    eval_loss: float | None = None
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    memory_bytes: int | None = None
    seconds_left: float | None = None
    logged: bool = False
    watched: Mapping[str, float] = field(default_factory=dict)


class Console(Protocol):
    """Receives what a run has to say, in order, from one thread."""

    def line(self, text: str) -> None:
        """Show one line of plain text."""

    def diagnostic(self, diagnostic: Diagnostic) -> None:
        """Show a warning or note; errors arrive as `DiagnosticError` instead."""

    def progress(self, progress: Progress | None) -> None:
        """Show where the run is; None ends the display. Called after every optimizer step."""


class Silent:
    """A console that shows nothing."""

    def line(self, text: str) -> None: ...

    def diagnostic(self, diagnostic: Diagnostic) -> None: ...

    def progress(self, progress: Progress | None) -> None: ...
