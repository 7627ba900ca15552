"""Describes the environment of a run for `environment.json`, without secrets."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe_runner import __version__

PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "bitsandbytes",
    "safetensors",
    "tokenizers",
    "huggingface_hub",
    "numpy",
)

_NAMES = (
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "TOKENIZERS_PARALLELISM",
)
_PREFIXES = ("ACCELERATE_", "FSDP_", "GLOO_", "HF_", "NCCL_", "TORCH_", "WANDB_", "MLFLOW_")
_SECRET = ("TOKEN", "KEY", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH", "URI", "URL")


def package_versions() -> dict[str, str]:
    """The installed versions of the libraries that a run uses."""
    found = {"recipe-runner": __version__}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def environment(command: Sequence[str]) -> dict[str, Any]:
    """Versions, machine, command line, git commit and the variables that steer the libraries."""
    return {
        "packages": package_versions(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "host": platform.node(),
        "working_directory": str(Path.cwd()),
        "command": list(command),
        "git": git_commit(Path.cwd()),
        "environment": relevant_variables(os.environ),
    }


def relevant_variables(variables: dict[str, str] | os._Environ[str]) -> dict[str, str]:
    """The variables that steer the libraries; one whose name smells of a secret stays out."""
    return {
        name: value
        for name, value in sorted(variables.items())
        if (name in _NAMES or name.startswith(_PREFIXES))
        and (name in _NAMES or not any(word in name for word in _SECRET))
    }


def git_commit(folder: Path) -> str | None:
    """The commit of the repository around `folder`, with `-dirty` where files differ from it."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
