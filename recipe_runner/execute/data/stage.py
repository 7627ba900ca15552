"""Preparing data as a stage of its own: no run directory, no model, no GPU.

The training libraries are imported only where rows have to be tokenized. What they print
goes into a log, which is kept, with the plan beside it, where something fails.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute import environment
from recipe_runner.execute.data.build import ProgressSink
from recipe_runner.execute.data.ensure import Ensured, Told, ensure
from recipe_runner.execute.failure import explained
from recipe_runner.plan import Plan, encode


def prepare_alone(
    plan: Plan,
    *,
    progress: ProgressSink | None,
    told: Told | None,
    warn: Callable[[Diagnostic], None] | None = None,
) -> Ensured:
    """Find the data of `plan` in the cache, or prepare them with all cores.

    With `warn`, tokens are compared as before a training, where the tokenizer is loaded or
    there are golden rows; `warn` is told what is odd about them.
    Raises `DiagnosticError` as `prepare` does, and for a tokenizer that cannot be loaded.
    """
    environment.apply(plan)
    folder = Path(tempfile.mkdtemp(prefix="recipe-run-prepare-"))
    log = folder / "prepare.log"
    (folder / "plan.json").write_text(encode(plan), encoding="utf-8")
    keep = False
    try:
        with explained(plan, folder, log), environment.chatter_into(log):
            read = cache(lambda: _tokenizer(plan, warn))
            if warn is not None and plan.golden is not None:
                read()
            return ensure(plan, read, progress=progress, told=told)
    except DiagnosticError:
        # `explained` made one of whatever failed.
        keep = log.exists() and log.stat().st_size > 0
        raise
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _tokenizer(plan: Plan, warn: Callable[[Diagnostic], None] | None) -> Any:
    from recipe_runner.execute.preview.inspect import inspect
    from recipe_runner.execute.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(plan.tokenizer)
    environment.hush()
    if warn is not None:
        for odd in inspect(plan, tokenizer):
            warn(odd)
    return tokenizer
