"""A clock ends what takes too long, and leaves clocks of others as they were."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from recipe_runner.components.clock import TookTooLongError, clocked


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "(a|a)*b", "(?=(a+)+$)x", r"(a*)*\1c", "(?i)(?:A+A+)+y"]
)
def test_a_pattern_is_ended(pattern: str) -> None:
    began = time.monotonic()
    with pytest.raises(TookTooLongError), clocked(0.1):
        re.search(pattern, "a" * 40 + "!")
    assert time.monotonic() - began < 2.0


def test_what_ends_in_time_is_left_alone() -> None:
    with clocked(0.1):
        pass
    time.sleep(0.2)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_a_clock_that_was_set_before_rings_behind() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with clocked(5.0):
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5.0
        assert rung == []
        time.sleep(0.5)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_another_thread_has_no_clock() -> None:
    found: list[float] = []

    def work() -> None:
        with clocked(0.01):
            began = time.monotonic()
            time.sleep(0.1)
            found.append(time.monotonic() - began)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0] >= 0.1
