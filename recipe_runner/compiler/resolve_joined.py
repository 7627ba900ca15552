"""Decides the attention of runs whose rows share a sequence."""

from recipe_runner.compiler.resolved import Draft
from recipe_runner.plan.joined import SEGMENTS
from recipe_runner.recipe.schema import Recipe

_OURS = (None, "sdpa")
"""What a recipe says where it leaves the choice to us; transformers' own choice is sdpa."""


def joins_rows(recipe: Recipe) -> bool:
    """True where several rows may stand in one sequence of a batch."""
    return recipe.data.packing is not None or recipe.algorithm.joins_rows


def attention_of(recipe: Recipe) -> str | None:
    """The attention to load the model with; None for transformers' choice."""
    wanted = recipe.model.attn_implementation
    return SEGMENTS if joins_rows(recipe) and wanted in _OURS else wanted


def resolve_attention(draft: Draft) -> Draft:
    """Decide the attention. What the recipe states stays in it, with a reason for the plan."""
    wanted, taken = draft.recipe.model.attn_implementation, attention_of(draft.recipe)
    if taken == wanted:
        return draft
    because = "rows share a sequence, and each document sees only itself, without a mask"
    decide = draft.decide if wanted is None else draft.note
    return decide("model.attn_implementation", taken, because)
