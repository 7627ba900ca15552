"""Whether the weights of a run can lie in parts in several processes."""

from recipe_runner.compiler.optimizers import optimizer_of
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.survey.survey import BASE


def spreadable(resolved: ResolvedRecipe) -> bool:
    """True where nothing needs whole weights: the rules RR390, RR398 and those of stacked adapters.

    What they forbid is neither chosen nor proposed. A quantized base is left whole too.
    """
    recipe, facts = resolved.recipe, resolved.around.model
    adapter = recipe.adapter
    if adapter is not None and (adapter.rows_to_read or adapter.changes_base):
        return False
    if recipe.quantization is not None or BASE in resolved.around.adapters:
        return False
    if facts is not None and "quantization_config" in facts.config:
        return False
    return not optimizer_of(recipe.training.optim).ours
