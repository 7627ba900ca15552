"""Where the cache is. Imports the standard library only, as `plan` asks for it."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """`RECIPE_RUNNER_CACHE`, or `recipe_runner` in `XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("RECIPE_RUNNER_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "recipe_runner"
