"""What stands in the way of a generation server is said before anything is loaded."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from recipe_runner.execute.generation.look import look
from recipe_runner.execute.generation.wanted import Address, Shares, shares, visible_devices
from recipe_runner.plan import Plan
from tests.runs.generation.conftest import PlanFor

TWO = ("0", "1")


def messages(plan: Plan, devices: tuple[str, ...] = TWO) -> list[str]:
    found = list(look(plan, devices))
    assert all(d.code.id == "RR616" for d in found)
    return [d.message for d in found]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_vllm": False},
        {"vllm_mode": "colocate"},
        {"vllm_server_base_url": "http://elsewhere:8000"},
    ],
)
def test_nothing_stands_in_the_way(options: Mapping[str, Any], plan_for: PlanFor) -> None:
    assert messages(plan_for(**options)) == []


def test_vllm_needs_a_gpu(plan_for: PlanFor) -> None:
    plan = plan_for(vllm_mode="colocate")
    on_cpu = replace(plan, machine=replace(plan.machine, kind="cpu", accelerators=0))
    assert messages(on_cpu) == ["vLLM generates on GPUs, and the plan runs on the CPU"]


CASES: Mapping[str, tuple[dict[str, Any], tuple[str, ...], list[str], str]] = {
    "one for each": ({}, TWO, [], ""),
    "none left for the server": (
        {"processes": 2},
        TWO,
        ["the plan trains on 2 GPUs and its vLLM server needs 1 GPU more; this machine shows 2"],
        "set `launch.num_processes: 1`, or `algorithm.vllm_mode: colocate`",
    ),
    "a server as large as the machine": (
        {"vllm_tensor_parallel_size": 2},
        TWO,
        ["the plan trains on 1 GPU and its vLLM server needs 2 GPUs more; this machine shows 2"],
        "set `algorithm.vllm_mode: colocate`, which shares the training's GPUs",
    ),
    # RR603 says that there are too few for the training alone.
    "too few for the training": ({"processes": 4}, TWO, [], ""),
    "two for the server": ({"vllm_tensor_parallel_size": 2}, ("0", "1", "2"), [], ""),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_server_needs_gpus_of_its_own(
    case: tuple[dict[str, Any], tuple[str, ...], list[str], str], plan_for: PlanFor
) -> None:
    options, devices, expected, help_text = case
    plan = plan_for(**options)
    assert messages(plan, devices) == expected
    assert [d.help for d in look(plan, devices)] == [help_text] * len(expected)


@pytest.mark.parametrize("field", ["vllm_server_port", "vllm_group_port"])
def test_a_port_that_somebody_has_is_named(field: str, plan_for: PlanFor) -> None:
    plan = plan_for()
    port = plan.arguments.arguments[field]
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        (found,) = look(plan, TWO)
    assert f"port {port}" in found.message
    assert found.message.endswith("is in use")
    assert f"`algorithm.{field}`" in found.help
    assert messages(plan) == []


def test_a_host_elsewhere_is_no_place_to_start_a_server(plan_for: PlanFor) -> None:
    # An address for documentation (RFC 5737), which no machine has.
    (found,) = look(plan_for(vllm_server_host="192.0.2.7"), TWO)
    assert found.message.startswith("192.0.2.7, for the vLLM server, is no address")
    assert "vllm_server_base_url" in found.help


def test_several_machines_have_a_server_of_their_own(plan_for: PlanFor) -> None:
    (message,) = messages(plan_for(processes=4, machines=2))
    assert "2 machines" in message


def test_a_model_that_the_server_would_load_otherwise(plan_for: PlanFor) -> None:
    plan = plan_for()
    changed = {
        "random_init": replace(plan, model=replace(plan.model, random_init=True)),
        "config_overrides": replace(
            plan, model=replace(plan.model, config_overrides={"num_hidden_layers": 2})
        ),
        "embeddings": replace(plan, tokenizer=replace(plan.tokenizer, add_tokens=("<x>",))),
    }
    for word, other in changed.items():
        (message,) = messages(other)
        assert word in message


@pytest.mark.parametrize(
    ("processes", "tensor_parallel", "devices", "expected"),
    [
        (1, 1, "0 1", Shares(("1",), ("0",))),
        (1, 1, "0 1 2 3", Shares(("3",), ("0",))),
        (2, 2, "4 5 6 7", Shares(("6", "7"), ("4", "5"))),
        (3, 1, "GPU-a GPU-b GPU-c GPU-d", Shares(("GPU-d",), ("GPU-a", "GPU-b", "GPU-c"))),
        (2, 1, "0 1", None),
        (1, 1, "", None),
    ],
)
def test_the_last_gpus_are_the_servers(
    processes: int,
    tensor_parallel: int,
    devices: str,
    expected: Shares | None,
    plan_for: PlanFor,
) -> None:
    plan = plan_for(processes=processes, vllm_tensor_parallel_size=tensor_parallel)
    assert shares(plan, devices.split()) == expected


def test_a_machine_without_gpus_shows_none() -> None:
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}) == ()


def test_a_server_that_listens_everywhere_is_reached_here() -> None:
    assert Address("0.0.0.0", 8000).url == "http://127.0.0.1:8000"
    assert Address("localhost", 8001).url == "http://localhost:8001"
