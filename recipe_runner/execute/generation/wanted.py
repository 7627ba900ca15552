"""What a plan says of vLLM, and which GPUs of this machine its server gets.

Imports no torch: `preflight` asks too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe_runner.execute.probe import visible_gpus
from recipe_runner.plan import Plan, serving


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where this machine reaches it; a server that listens everywhere is reached here."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host
        return f"http://{host}:{self.port}"


@dataclass(frozen=True)
class Shares:
    """GPUs by their names in CUDA_VISIBLE_DEVICES: those of the server and those of the training."""

    server: tuple[str, ...]
    training: tuple[str, ...]


def uses_vllm(plan: Plan) -> bool:
    """True where vLLM answers the prompts of the run."""
    return bool(plan.arguments.arguments.get("use_vllm"))


def starts_server(plan: Plan) -> bool:
    """True where a server has to answer and the plan names none that runs already."""
    return serving.starts_server(plan.arguments.arguments)


def address_of(plan: Plan) -> Address:
    """Where the plan's trainer looks for the server."""
    arguments = plan.arguments.arguments
    return Address(str(arguments["vllm_server_host"]), int(arguments["vllm_server_port"]))


def gpus_of_server(plan: Plan) -> int:
    """GPUs over which the server splits the model."""
    return serving.gpus_of_server(plan.arguments.arguments)


def gpus_of_training(plan: Plan) -> int:
    """GPUs of one machine on which the plan trains: one for each process."""
    return max(1, plan.launch.num_processes // plan.launch.num_machines)


def shares(plan: Plan, devices: Sequence[str]) -> Shares | None:
    """The last of `devices` for the server and the first for the training; None where they are too few."""
    server, training = gpus_of_server(plan), gpus_of_training(plan)
    if len(devices) < server + training:
        return None
    return Shares(tuple(devices[-server:]), tuple(devices[:training]))


def visible_devices(variables: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The GPUs that CUDA would show, by the names that CUDA_VISIBLE_DEVICES has for them."""
    count = len(visible_gpus())
    stated = variables.get("CUDA_VISIBLE_DEVICES")
    if stated is None:
        return tuple(str(index) for index in range(count))
    names = [part.strip() for part in stated.split(",")]
    return tuple(name for name in names if name)[:count]


def why_not_served(plan: Plan) -> str | None:
    """Why a server that loads the plan's model by its name would hold another one, None where it would not."""
    model, tokenizer = plan.model, plan.tokenizer
    if model.random_init:
        return "`model.random_init` makes weights that the server cannot load"
    if model.config_overrides:
        return "`model.config_overrides` changes the model, and the server loads it as it is"
    if tokenizer.add_tokens or tokenizer.resize_embeddings_multiple_of is not None:
        return "the tokenizer changes the size of the embeddings, and the server loads them as they are"
    return None


def command_arguments(plan: Plan) -> list[str]:
    """Arguments of `trl.scripts.vllm_serve` for the plan's model."""
    arguments: Mapping[str, Any] = plan.arguments.arguments
    address = address_of(plan)
    values: dict[str, Any] = {
        "model": plan.model.name_or_path,
        "revision": plan.model.load.get("revision"),
        "host": address.host,
        "port": address.port,
        "tensor_parallel_size": gpus_of_server(plan),
        "max_model_len": arguments.get("vllm_max_model_length"),
        "vllm_model_impl": arguments.get("vllm_model_impl"),
    }
    given = [(f"--{name}", str(value)) for name, value in values.items() if value is not None]
    trusted = ["--trust_remote_code"] if plan.model.load.get("trust_remote_code") else []
    return [part for pair in given for part in pair] + trusted
