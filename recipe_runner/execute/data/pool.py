"""Work on all cores, with results in the order of the tasks and a bounded number in flight.

The order makes the output independent of the number of processes; the bound keeps
memory flat however fast the workers are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait

from recipe_runner.execute.data.work import Bench, Done, Task, do

_AHEAD = 3
"""Tasks per process that may be under way or waiting to be taken."""

_ALONE = 2
"""Up to this many tasks, starting processes costs more than it saves."""

_benches: Sequence[Bench] = ()


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_for(tasks: int, asked: int | None) -> int:
    """How many processes to use for `tasks`: what was asked for, or one per core."""
    if asked is None and tasks <= _ALONE:
        return 1
    return max(1, min(asked or cores(), tasks))


def each(benches: Sequence[Bench], tasks: Iterable[Task], processes: int) -> Iterator[Done]:
    """Do all tasks; results come in the order of the tasks."""
    if processes == 1:
        yield from (do(benches, task) for task in tasks)
        return
    # Forked workers share the tokenizer and the mapped files without copying. Elsewhere
    # than on Linux, forking is not safe next to the system's own threads.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    todo = iter(tasks)
    with _one_thread_each(), ProcessPoolExecutor(processes, context, _enter, (benches,)) as pool:
        try:
            under_way: deque[Future[Done]] = deque(
                pool.submit(_do, task) for task in islice(todo, processes * _AHEAD)
            )
            while under_way:
                yield under_way.popleft().result()
                under_way.extend(pool.submit(_do, task) for task in islice(todo, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _do(task: Task) -> Done:
    return do(_benches, task)


def _enter(benches: Sequence[Bench]) -> None:
    """Set up a worker: it ignores Ctrl-C, which its parent handles, and dies with its parent."""
    global _benches
    _benches = benches
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    # A parent that is killed cannot stop its workers: they would wait for tasks for ever.
    wait([sentinel])
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep each worker's tokenizer to one thread: processes already use all cores.

    `tokenizers` reads the variable when it forks and warns where it is not set.
    """
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before
