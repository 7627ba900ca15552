"""Loads the training libraries, which is most of the time before the first step."""

from __future__ import annotations

import gc
import importlib
import sys

from recipe_runner.execute.build import class_of
from recipe_runner.execute.speed.levers import hook
from recipe_runner.plan import Plan


def load_libraries(plan: Plan) -> None:
    """Import what `plan` builds, all at once and without garbage collection.

    Imports leave some 500,000 objects that live until the process ends, and the collector
    walks all of them again each time their number has grown by a quarter: without it, the
    imports take about a fifth less time. What is frozen at the end stays out of later
    collections, and forked workers share its memory pages
    (https://docs.python.org/3/library/gc.html#gc.freeze).
    """
    if "trl" in sys.modules or not gc.isenabled():
        # Freezing once more would keep what an earlier run in this process left behind.
        return
    gc.disable()
    try:
        if (first := hook(plan, "load_first")) is not None:
            first(plan)
        importlib.import_module("datasets")
        calls = (plan.arguments, plan.trainer, plan.adapter, plan.quantization)
        for target in (plan.model.auto_class, *(call.target for call in calls if call)):
            class_of(target)
    finally:
        gc.freeze()
        gc.enable()
