"""Sets the stage for upstream libraries: variables before they load, their chatter into the log."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from recipe_runner.plan import Plan

_ALWAYS = {
    # Nothing is reported about our users; a user can still set these to 0.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}
_LIBRARIES = ("transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")


def apply(plan: Plan, variables: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Set the plan's variables where the user has not; must run before the libraries load."""
    for name, value in wanted(plan, variables).items():
        variables.setdefault(name, value)


def trust_installed_only(variables: dict[str, str] | os._Environ[str]) -> None:
    """Let a Python that is started with `variables` import what is installed, and no files beside it.

    `python -m` looks into the working directory first, and a recipe from elsewhere may bring a
    `datasets.py`. What a user names in PYTHONPATH stays, seen from the working directory.
    """
    variables["PYTHONSAFEPATH"] = "1"
    named = variables.get("PYTHONPATH", "").split(os.pathsep)
    if any(named):
        # Empty parts, as in `$PYTHONPATH:folder`, would stand for the working directory.
        variables["PYTHONPATH"] = os.pathsep.join(
            str(Path(each).absolute()) for each in named if each
        )
    else:
        variables.pop("PYTHONPATH", None)


def wanted(plan: Plan, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables a run wants set, given those that are."""
    values = {**_ALWAYS, **plan.launch.environment}
    on_gpu = not plan.arguments.arguments.get("use_cpu", False)
    if plan.launch.num_processes == 1 and on_gpu and "CUDA_VISIBLE_DEVICES" not in variables:
        # With several GPUs visible to one process the Trainer would switch to DataParallel,
        # which TRL refuses.
        values.setdefault("CUDA_VISIBLE_DEVICES", "0")
    return values


@contextlib.contextmanager
def chatter_into(log: Path) -> Iterator[None]:
    """Send what libraries print, log and warn about into `log`, away from the screen."""
    with log.open("a", encoding="utf-8", buffering=1) as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
        )
        root = logging.getLogger()
        before = [(logger, logger.handlers[:], logger.propagate) for logger in _loggers()]
        root.addHandler(handler)
        try:
            with (
                warnings.catch_warnings(),
                contextlib.redirect_stdout(file),
                contextlib.redirect_stderr(file),
            ):
                warnings.simplefilter("default")
                logging.captureWarnings(True)
                yield
        finally:
            logging.captureWarnings(False)
            root.removeHandler(handler)
            for logger, handlers, propagate in before:
                logger.handlers[:], logger.propagate = handlers, propagate


def hush() -> None:
    """Take the libraries' own handlers and progress bars off, once they are imported."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    for logger in _loggers():
        logger.handlers[:] = []
        logger.propagate = True


def into_file(log: Path) -> io.TextIOWrapper:
    """Point this process's own stdout and stderr at `log`; returns the former stdout.

    For workers: it also catches what C++ libraries write.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    screen = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    return screen


def _loggers() -> list[logging.Logger]:
    return [logging.getLogger(name) for name in _LIBRARIES]
