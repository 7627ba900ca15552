"""Runs a vLLM server as long as a run lasts.

The server is TRL's: `trl.scripts.vllm_serve` becomes `vllm serve` with the arguments that
TRL's trainers expect. It has GPUs and a process group of its own, and nothing of it is left
when the block ends, however that happens.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute import environment
from recipe_runner.execute.console import Console
from recipe_runner.execute.fault import fault
from recipe_runner.execute.generation.codes import GENERATION_SERVER, GENERATION_SERVER_FAILED
from recipe_runner.execute.generation.wanted import (
    Address,
    Shares,
    address_of,
    command_arguments,
    shares,
    starts_server,
    visible_devices,
)
from recipe_runner.execute.worker import die_with_parent
from recipe_runner.plan import Plan

LOG = "vllm-server.log"
"""Everything that the server prints, in the run directory."""

_DEVICES = "CUDA_VISIBLE_DEVICES"
_ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF"
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_SHOWN_LINES = 8
_LOOK_EVERY = 0.2
_LAST_WORDS = 1.0


def command_of(plan: Plan) -> list[str]:
    """The command that serves the plan's model; a list, so that no path is split on a space."""
    return [sys.executable, "-m", "trl.scripts.vllm_serve", *command_arguments(plan)]


@contextlib.contextmanager
def serving(
    plan: Plan,
    console: Console,
    *,
    command: Sequence[str] | None = None,
    devices: Sequence[str] | None = None,
    grace: float = 10.0,
) -> Iterator[None]:
    """Have the plan's vLLM server answer while the block runs; do nothing where it asks for none.

    Inside the block CUDA shows the training's GPUs only, so it must be entered before
    anything looks at a GPU. `command` takes the place of the server's, `devices` are the
    GPUs of this machine, None to look for them. A server that is asked to end has `grace`
    seconds before it is killed. SIGTERM and SIGHUP raise KeyboardInterrupt, from before the
    server starts and wherever the block does not handle them itself. Raises RR720 where the server ends or does not
    answer within `vllm_server_timeout` seconds, and where the block fails because it has
    ended; RR616 where there are too few GPUs.
    """
    if not starts_server(plan):
        yield
        return
    split = shares(plan, visible_devices() if devices is None else devices)
    if split is None:
        message = "there are too few GPUs for the training and its vLLM server"
        raise fault(GENERATION_SERVER, plan.recipe_path, message)
    with _ending_as_by_ctrl_c():
        server = _start(plan, list(command or command_of(plan)), split)
        try:
            _await(server, plan, console)
            with _showing(split.training):
                try:
                    yield
                except Exception as error:
                    if server.ended_within(_LAST_WORDS) is None:
                        raise
                    raise _failed(plan, server, f"{server.how()} while the run went") from error
        finally:
            server.stop(grace)


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[bytes]
    address: Address
    log: Path
    begin: int

    def ended_within(self, seconds: float) -> int | None:
        """The exit code of the server, None where it still runs after that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll()

    def how(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"

    def answers(self) -> bool:
        """True where the server is ready for prompts."""
        # A proxy of the environment knows nothing of servers on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.address.url}/health", timeout=5) as answer:
                return bool(answer.status == http.HTTPStatus.OK)
        except (OSError, http.client.HTTPException):
            return False

    def last_lines(self) -> str:
        """The end of what it has printed since it was started."""
        with self.log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self.begin, end - 2**14))
            text = file.read().decode("utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()][-_SHOWN_LINES:]
        return "".join(f"\n  {line}" for line in lines)

    def stop(self, grace: float) -> None:
        """End the server and the processes that it has started: ask first, then kill."""
        self._signal(signal.SIGTERM)
        try:
            self.ended_within(grace)
        finally:
            # What its first process left behind goes as well.
            self._signal(signal.SIGKILL)
            self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def _start(plan: Plan, command: list[str], split: Shares) -> _Server:
    log = Path(plan.outputs.run_dir) / LOG
    with log.open("ab") as file:
        begin = file.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "recipe_runner.execute.generation.keeper", *command],
            env=_variables(plan, split),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # Ctrl-C reaches a terminal's whole process group; the server ends with the run.
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    return _Server(process, address_of(plan), log, begin)


def _variables(plan: Plan, split: Shares) -> dict[str, str]:
    variables = {**os.environ, _DEVICES: ",".join(split.server), "VLLM_NO_USAGE_STATS": "1"}
    own_allocator = _ALLOCATOR in variables
    environment.apply(plan, variables)
    environment.trust_installed_only(variables)
    if not own_allocator:
        # Chosen for training; vLLM manages its memory itself.
        variables.pop(_ALLOCATOR, None)
    return variables


def _await(server: _Server, plan: Plan, console: Console) -> None:
    """Return when the server answers. Raises RR720 where it ends before, or takes too long."""
    limit = float(plan.arguments.arguments["vllm_server_timeout"])
    console.line(f"Starting the vLLM server; its log is {server.log}")
    started = time.monotonic()
    while not server.answers():
        if server.ended_within(_LOOK_EVERY) is not None:
            raise _failed(plan, server, f"{server.how()} before it answered")
        if time.monotonic() - started > limit:
            raise _failed(plan, server, f"did not answer within {limit:g} seconds")
    seconds = time.monotonic() - started
    console.line(f"The vLLM server answers at {server.address.url} after {seconds:.0f} s")


def _failed(plan: Plan, server: _Server, what: str) -> DiagnosticError:
    shown = server.last_lines()
    return fault(
        GENERATION_SERVER_FAILED,
        plan.recipe_path,
        f"the vLLM server {what}; its log is {server.log}",
        "checkpoints saved before are kept: --resume auto goes on from the newest complete one"
        + (f"\nthe last lines of its log:{shown}" if shown else "\nits log is empty"),
    )


@contextlib.contextmanager
def _ending_as_by_ctrl_c() -> Iterator[None]:
    """Have signals that would end this process at once raise KeyboardInterrupt in the block.

    One that is ignored stays so: `nohup` ignores SIGHUP.
    """
    numbers = [n for n in _SIGNALS if signal.getsignal(n) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _showing(devices: Sequence[str]) -> Iterator[None]:
    """Let CUDA show `devices` only, here and in the processes that are started."""
    before = os.environ.get(_DEVICES)
    os.environ[_DEVICES] = ",".join(devices)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_DEVICES]
        else:
            os.environ[_DEVICES] = before
