"""A clock for judgements that may take longer than anybody waits."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 5.0
"""How long one answer may take to be looked through, or to be compared."""


class TookTooLongError(Exception):
    """The time is over."""


@contextmanager
def clocked(seconds: float) -> Iterator[None]:
    """Raise `TookTooLongError` in the block once it has run for so long.

    `re` and plain Python look for signals while they work, so that one ends them. Only the
    main thread can have such a clock, and only where the system has the signal: elsewhere the
    block takes the time that it takes. Trainers judge in the main thread of their process.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    handler = signal.signal(signal.SIGALRM, _ring)
    # A clock that somebody else has set goes on behind the block.
    rest, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            # It may ring just before it is stopped.
            signal.signal(signal.SIGALRM, handler)
            if rest:
                signal.setitimer(signal.ITIMER_REAL, rest, interval)


def _ring(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TookTooLongError
