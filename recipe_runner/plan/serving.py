"""Whether a run starts a vLLM server of its own, from the arguments of its trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def starts_server(arguments: Mapping[str, Any]) -> bool:
    """True where a server has to answer and none is named that runs already."""
    server = bool(arguments.get("use_vllm")) and arguments.get("vllm_mode") == "server"
    return server and not arguments.get("vllm_server_base_url")


def gpus_of_server(arguments: Mapping[str, Any]) -> int:
    """GPUs over which the server splits the model."""
    return int(arguments.get("vllm_tensor_parallel_size") or 1)
