"""The parts of a plan beside the model that trains: other models, and rewards."""

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.components.base import settled
from recipe_runner.components.other_model import OtherModel
from recipe_runner.plan import ModelPlan, OtherModelPlan, RewardPlan
from recipe_runner.survey.model import ModelFacts

_HALF = {"bf16": "bfloat16", "fp16": "float16", "no": "float32"}
"""What a model that only answers is loaded in, by the precision of the computation."""

_CAUSAL = "transformers:AutoModelForCausalLM"
_JUDGE = "transformers:AutoModelForSequenceClassification"


def compile_models(resolved: ResolvedRecipe) -> tuple[OtherModelPlan, ...]:
    """Models that answer or judge while another one trains, by the role that they have."""
    recipe, facts = resolved.recipe, resolved.around.others
    found = [
        OtherModelPlan(role, _plan(resolved, model, facts[role], _CAUSAL))
        for role, model in recipe.algorithm.models().items()
    ]
    for number, reward in enumerate(recipe.rewards):
        if reward.model is not None:
            role = f"rewards.{number}"
            judge = _plan(resolved, reward.model, facts[role], _JUDGE, num_labels=1)
            found.append(OtherModelPlan(role, judge))
    return tuple(found)


def _plan(
    resolved: ResolvedRecipe, model: OtherModel, facts: ModelFacts, auto_class: str, **load: int
) -> ModelPlan:
    precision = settled(resolved.recipe.launch.mixed_precision)
    return ModelPlan(
        name_or_path=facts.path,
        auto_class=auto_class,
        load={
            "revision": model.revision,
            "dtype": _HALF[precision] if model.dtype == "auto" else model.dtype,
            # Where nothing is said, upstream asks on the terminal whether to run a model's code.
            "trust_remote_code": False,
            **load,
        },
        local=facts.local,
    )


def compile_rewards(resolved: ResolvedRecipe) -> tuple[RewardPlan, ...]:
    """What judges answers, in the order of the recipe."""
    found = []
    for number, reward in enumerate(resolved.recipe.rewards):
        options = {k: v for k, v in reward.options().items() if k not in ("weight", "name")}
        code = resolved.around.code.get(f"rewards.{number}")
        found.append(
            RewardPlan(
                type=reward.type,
                name=reward.name or (reward.code[1] if reward.code else reward.type),
                weight=reward.weight,
                options=options,
                file=code.file if code else None,
                function=reward.code[1] if reward.code else None,
                sha256=code.sha256 if code else None,
            )
        )
    return tuple(found)
