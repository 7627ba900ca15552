"""Work on all cores, with results in the order of the tasks and a bounded number in flight.

The order makes the output independent of the number of processes; the bound keeps
memory flat however fast the workers are.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from recipe_runner.execute.data.work import Bench, Done, Task, do

_AHEAD = 3
"""Tasks per process that may be under way or waiting to be taken."""

_ALONE = 2
"""Up to this many tasks, starting processes costs more than it saves."""


class WorkerKilledError(Exception):
    """A process was killed while it worked, most often for lack of memory."""


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_for(tasks: int, asked: int | None) -> int:
    """How many processes to use for `tasks`: what was asked for, or one per core."""
    if asked is None and tasks <= _ALONE:
        return 1
    return max(1, min(asked or cores(), tasks))


def each(benches: Sequence[Bench], tasks: Sequence[Task], processes: int) -> Iterator[Done]:
    """Do all tasks; results come in the order of the tasks. Raises `WorkerKilledError`.

    Each worker has a pipe of its own. One that is killed while it writes its result ends
    its pipe, and is noticed; in a queue that workers share, the half of a result would be
    waited for without end (`concurrent.futures` does).
    """
    if processes == 1:
        yield from (do(benches, task) for task in tasks)
        return
    with _variables_of_workers(), ExitStack() as stack:
        idle = [_start(stack, benches) for _ in range(processes)]
        under_way: dict[Connection, int] = {}
        results: dict[int, Done] = {}
        begun = 0
        for number in range(len(tasks)):
            while number not in results:
                while idle and begun < min(len(tasks), number + processes * _AHEAD):
                    worker = idle.pop()
                    _send(worker, tasks[begun])
                    under_way[worker], begun = begun, begun + 1
                for ready in wait(list(under_way)):
                    assert isinstance(ready, Connection)
                    results[under_way.pop(ready)] = _receive(ready)
                    idle.append(ready)
            yield results.pop(number)


def _start(stack: ExitStack, benches: Sequence[Bench]) -> Connection:
    """Start a worker that ends with `stack`; returns the pipe to it."""
    # Forked workers share the tokenizer and the mapped files without copying. Elsewhere
    # than on Linux, forking is not safe next to the system's own threads.
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pair: tuple[Connection, Connection] = context.Pipe()
    ours, theirs = pair
    worker = context.Process(target=_work, args=(theirs, benches), daemon=True)
    with _signals_wait():
        worker.start()
    # The pipe ends with the worker only where nobody else holds its end.
    theirs.close()
    stack.callback(worker.join)
    stack.callback(worker.kill)
    stack.callback(ours.close)
    return ours


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Have SIGINT and SIGTERM take effect after the block.

    One that comes while a process forks would be lost: Python drops what is raised in the
    hooks that run then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers: list[int] = [
        n for n in (signal.SIGINT, signal.SIGTERM) if callable(signal.getsignal(n))
    ]
    before = {n: signal.signal(n, lambda number, _: came.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


def _send(worker: Connection, task: Task) -> None:
    try:
        worker.send(task)
    except (BrokenPipeError, ConnectionResetError) as ended:
        raise WorkerKilledError from ended


def _receive(worker: Connection) -> Done:
    try:
        done, error = worker.recv()
    except (EOFError, OSError) as ended:
        # The pipe ends between two results, or, as an OSError, within one.
        raise WorkerKilledError from ended
    if error is not None:
        raise error
    assert isinstance(done, Done)
    return done


def _work(pipe: Connection, benches: Sequence[Bench]) -> None:
    """Do what comes through the pipe. Its parent handles Ctrl-C, and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_outcome(benches, task))


def _outcome(benches: Sequence[Bench], task: Task) -> tuple[Done | None, Any]:
    try:
        return do(benches, task), None
    except Exception as error:  # noqa: BLE001 it goes on in the parent, where it is explained
        error.add_note(traceback.format_exc())
        return None, _sendable(error)


def _sendable(error: Exception) -> Exception:
    """The error, or another one that tells the same where it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 whatever an exception of a library does in its own pickling
        told = RuntimeError(f"{type(error).__name__}: {error}")
        told.add_note(traceback.format_exc())
        return told
    return error


def _die_with(sentinel: int) -> None:
    # A parent that is killed cannot stop its workers: they would wait for tasks for ever.
    wait([sentinel])
    os._exit(1)


@contextmanager
def _variables_of_workers() -> Iterator[None]:
    """Set what workers take over from their parent while they are started.

    Each keeps its tokenizer to one thread, since processes already use all cores: `tokenizers`
    reads the variable when it forks and warns where it is not set. One that is not forked looks
    for modules among what is installed only, and not in the working directory.
    """
    values = {"TOKENIZERS_PARALLELISM": "false", "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
