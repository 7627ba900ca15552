"""Looks for what would stop a generation server, before anything is loaded."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence

from recipe_runner.diagnostics import Diagnostic
from recipe_runner.execute.fault import finding
from recipe_runner.execute.generation.codes import GENERATION_SERVER
from recipe_runner.execute.generation.wanted import (
    address_of,
    gpus_of_server,
    gpus_of_training,
    starts_server,
    uses_vllm,
    visible_devices,
    why_not_served,
)
from recipe_runner.plan import Plan

_OWN = "start the server yourself, and give its address as `algorithm.vllm_server_base_url`"


def look(plan: Plan, devices: Sequence[str] | None = None) -> Iterator[Diagnostic]:
    """RR616 for each thing that stands in the way; nothing where the plan does without vLLM.

    `devices` are the GPUs of this machine, None to look for them.
    """
    if not uses_vllm(plan):
        return
    if plan.machine.accelerators == 0 or plan.arguments.arguments.get("use_cpu"):
        message = "vLLM generates on GPUs, and the plan runs on the CPU"
        yield _found(
            plan, message, "set `algorithm.use_vllm: false`, or plan for a machine with GPUs"
        )
        return
    if not starts_server(plan):
        return
    if plan.launch.num_machines > 1:
        message = f"the plan runs on {plan.launch.num_machines} machines, and none of them is the server's"
        yield _found(plan, message, _OWN)
        return
    why = why_not_served(plan)
    if why is not None:
        yield _found(plan, f"the vLLM server would hold another model: {why}", _OWN)
    yield from _gpus(plan, visible_devices() if devices is None else devices)
    yield from _ports(plan)


def _gpus(plan: Plan, devices: Sequence[str]) -> Iterator[Diagnostic]:
    server, training = gpus_of_server(plan), gpus_of_training(plan)
    if training <= len(devices) < server + training:
        message = (
            f"the plan trains on {_counted(training)} and its vLLM server needs {_counted(server)} "
            f"more; this machine shows {len(devices)}"
        )
        fewer = max(1, len(devices) - server)
        help_text = f"set `launch.num_processes: {fewer}`, or `algorithm.vllm_mode: colocate`"
        if len(devices) <= server:
            help_text = "set `algorithm.vllm_mode: colocate`, which shares the training's GPUs"
        yield _found(plan, message, help_text)


def _ports(plan: Plan) -> Iterator[Diagnostic]:
    address = address_of(plan)
    group = int(plan.arguments.arguments["vllm_group_port"])
    for host, port, purpose, field in (
        (address.host, address.port, "the vLLM server", "vllm_server_port"),
        ("0.0.0.0", group, "its new weights", "vllm_group_port"),
    ):
        error = _refused(host, port)
        if error is None:
            continue
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host}, for {purpose}, is in use"
            help_text = f"set `algorithm.{field}` to another one, or end the program that has it"
        else:
            message = f"{host}, for {purpose}, is no address of this machine: {error.strerror}"
            help_text = "a server elsewhere is given as `algorithm.vllm_server_base_url`"
        yield _found(plan, message, help_text)


def _refused(host: str, port: int) -> OSError | None:
    """What comes of listening there, None where one can."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do it: a port whose last connections are still closing is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return error
    return None


def _found(plan: Plan, message: str, help_text: str) -> Diagnostic:
    return finding(GENERATION_SERVER, plan.recipe_path, message, help_text)


def _counted(number: int) -> str:
    return "1 GPU" if number == 1 else f"{number} GPUs"
