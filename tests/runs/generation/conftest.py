"""A plan that asks for a vLLM server, and what is known of the process that stands in for it."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from recipe_runner.components.algorithms.grpo import Grpo
from recipe_runner.execute.console import Silent
from recipe_runner.plan import Call, MachinePlan, Plan
from tests.workshop import Workshop, recipe

FAKE = Path(__file__).parent / "fake_server.py"
ROOT = Path(__file__).parents[3]

PlanFor: TypeAlias = Callable[..., Plan]


@dataclass
class Lines(Silent):
    """A console that remembers the lines."""

    said: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Remember it."""
        self.said.append(text)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fake(plan: Plan, *options: str) -> list[str]:
    """The command of a server that stands in for the plan's."""
    port = plan.arguments.arguments["vllm_server_port"]
    return [sys.executable, str(FAKE), "--port", str(port), *options]


def said(plan: Plan, what: str) -> str:
    """What the server wrote after `what=` into its log."""
    text = (Path(plan.outputs.run_dir) / "vllm-server.log").read_text(encoding="utf-8")
    found = re.findall(rf"^{what}=(.*)$", text, re.MULTILINE)
    assert found, text
    return str(found[-1])


def wait_for(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether `true` becomes so in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def is_gone(pid: int) -> bool:
    """True where no process has the id, or a dead one whose parent has not asked for it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture
def plan_for(shop: Workshop, tmp_path: Path) -> PlanFor:
    """Makes plans whose run directory is `tmp_path`, with arguments of `grpo` and others."""
    plan = shop.plan(recipe())
    on_two = MachinePlan("H100", 2, 80.0, cpus=16, bf16=True, source="2xH100-80GB")
    plan = replace(plan, machine=on_two, outputs=replace(plan.outputs, run_dir=str(tmp_path)))
    environment = {**plan.launch.environment, "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}

    def make(processes: int = 1, machines: int = 1, **options: Any) -> Plan:
        server = {"use_vllm": True, "vllm_mode": "server", "vllm_server_port": free_port()}
        group = {"vllm_group_port": free_port()}
        algorithm = Grpo.model_validate({"type": "grpo", **server, **group, **options})
        arguments = {**plan.arguments.arguments, **algorithm.arguments(), "use_cpu": False}
        launch = replace(
            plan.launch,
            num_processes=processes,
            num_machines=machines,
            environment=environment,
        )
        return replace(plan, arguments=Call("trl:GRPOConfig", arguments), launch=launch)

    return make
