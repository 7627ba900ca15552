"""`recipe-run plan --trace`: what is counted and traced on the model itself, without its weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.compile_run import forward_of, shards_of, tokens_of
from recipe_runner.compiler.estimate.run import Kept
from recipe_runner.compiler.seen import Seen, architecture_seen
from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.plan import CostPlan, ParameterPlan, Plan, TracedPlan

if TYPE_CHECKING:
    from recipe_runner.compiler.resolved import ResolvedRecipe
    from recipe_runner.execute.kept import Pass
    from recipe_runner.execute.looked_at import LookedAt
    from recipe_runner.pipeline import Compiled


def traced_plan(compiled: Compiled) -> tuple[Plan, Sequence[Diagnostic]]:
    """The plan with parameters and activations of the model that it describes.

    Where a pass cannot be traced the finding says so (RR618), and the formula's activations stay.
    What would end a run as well, such as a hub that cannot be reached, is reported as an error.
    """
    from recipe_runner.execute import environment

    plan, resolved = compiled.plan, compiled.resolved
    assert plan is not None
    assert resolved is not None
    # What libraries say of each other, and torch of what has no content, is for nobody.
    with environment.chatter_into(Path(os.devnull)):
        environment.hush()
        try:
            counted = _counted(plan)
            plan = replace(plan, parameters=counted)
            cost = _cost(compiled, counted)
        except DiagnosticError as error:
            if any(each.severity == "error" for each in error.diagnostics):
                raise
            return plan, error.diagnostics
    return replace(plan, cost=cost), ()


def _counted(plan: Plan) -> ParameterPlan:
    from recipe_runner.execute.looked_at import told
    from recipe_runner.execute.trace import trace

    with told(plan):
        return trace(plan)


def _cost(compiled: Compiled, counted: ParameterPlan) -> CostPlan | None:
    from recipe_runner.execute.looked_at import look_at

    plan, resolved = compiled.plan, compiled.resolved
    assert plan is not None
    assert resolved is not None
    assert counted.trained is not None
    found = look_at(plan, _pass(resolved))
    cost = compile_cost(resolved, _seen(found, counted.trained))
    if cost is None:
        return None  # the checkpoint is quantized in a way that is not known
    told, parameters = plan.cost, plan.parameters
    traced = TracedPlan(
        activations=cost.memory.activations,
        by_formula=told.memory.activations if told is not None else None,
        total=counted.total,
        trained=counted.trained,
        told_total=parameters.total if parameters is not None else None,
        told_trained=parameters.trained if parameters is not None else None,
    )
    return replace(cost, traced=traced)


def _pass(resolved: ResolvedRecipe) -> Pass:
    """A forward pass of the run, on as many tokens as it may have."""
    from recipe_runner.execute.kept import Pass

    forward, tokens = forward_of(resolved), tokens_of(resolved)
    # Rows without a mask are one row of all their tokens.
    apart = forward.masked or forward.eager
    rows = max(1, tokens // forward.length) if apart else 1
    shards = shards_of(resolved)
    half = forward.autocast and (shards.units or shards.optimizer > 1)
    precision = {"fp16": "float16"}.get(str(resolved.recipe.launch.mixed_precision), "bfloat16")
    return Pass(
        rows=rows,
        length=tokens // rows,
        masked=forward.masked,
        eager=forward.eager,
        segments=forward.segments,
        casts_inputs=forward.casts_inputs,
        dtype=precision if half else None,
    )


def _seen(found: LookedAt, trained: int) -> Seen:
    architecture = architecture_seen(
        found.shapes,
        found.kinds,
        found.config,
        layers=found.layers,
        num_layers=found.num_layers,
        embeddings=found.embeddings,
        head=found.head,
        tied=found.tied,
    )
    kept = Kept(
        whole=tuple(map(float, found.whole.layers)),
        held=tuple(map(float, found.held.layers)),
        beside=float(found.held.beside),
        copies=float(found.whole.copies),
    )
    return Seen(architecture, trained, kept)
