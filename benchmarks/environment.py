"""The environment of measured processes: one thread, no network, caches of their own."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment(cache: Path) -> dict[str, str]:
    """The caller's variables, with the caches of all libraries below `cache`."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "OMP_NUM_THREADS": "1",
        "HF_HOME": str(cache / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "RECIPE_RUNNER_CACHE": str(cache / "recipe_runner"),
    }
