"""The packages that a plan needs beside those that every run needs."""

from collections.abc import Iterator, Mapping

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.plan import Requirement
from recipe_runner.rows.address import STORES, scheme_of
from recipe_runner.syntax import dotted

LOW_RANK = ("apollo_", "galore_")
"""Beginnings of optimizers that project gradients of modules that the recipe has to name."""

_OPTIMIZERS: Mapping[str, tuple[str, str]] = {
    "adalomo": ("lomo-optim", "lomo_optim"),
    "adamw_torch_4bit": ("torchao", "torchao"),
    "adamw_torch_8bit": ("torchao", "torchao"),
    "apollo_": ("apollo-torch", "apollo_torch"),
    "galore_": ("galore-torch", "galore_torch"),
    "grokadamw": ("grokadamw", "grokadamw"),
    "lomo": ("lomo-optim", "lomo_optim"),
    "schedule_free_": ("schedulefree", "schedulefree"),
    "stable_adamw": ("torch-optimi", "optimi"),
}
"""Packages of optimizers by the beginning of their names: what to install and to import."""

_BITSANDBYTES = ("ademamix", "lion_", "paged_", "rmsprop_", "adamw_8bit", "adamw_bnb")

_ATTENTION: Mapping[str, tuple[str, str]] = {
    "flash_attention_2": ("flash-attn", "flash_attn"),
    "flash_attention_3": ("flash-attn-3", "flash_attn_interface"),
}
"""Packages of attention kernels."""


def required(resolved: ResolvedRecipe) -> tuple[Requirement, ...]:
    """Packages with the key that asks for them, each once."""
    recipe = resolved.recipe
    wanted = list(recipe.quantization.requires) if recipe.quantization else []
    for tracker in recipe.tracking:
        wanted.append(Requirement(tracker.package, tracker.module, f"tracking: {tracker.type}"))
    if resolved.sharding.package is not None:
        package = resolved.sharding.package
        wanted.append(Requirement(package, package, f"launch.strategy: {resolved.sharding.type}"))
    if recipe.training.use_liger_kernel:
        wanted.append(Requirement("liger-kernel", "liger_kernel", "training.use_liger_kernel"))
    if recipe.model.task == "image_text_to_text":
        wanted.append(Requirement("pillow", "PIL", f"model.task: {recipe.model.task}"))
    optimizer = _of_optimizer(recipe.training.optim)
    if optimizer is not None:
        wanted.append(Requirement(*optimizer, f"training.optim: {recipe.training.optim}"))
    wanted += _of_data(resolved)
    attention = _ATTENTION.get(recipe.model.attn_implementation or "")
    if attention is not None:
        wanted.append(Requirement(*attention, "model.attn_implementation"))
    return tuple({each.module: each for each in reversed(wanted)}.values())[::-1]


def _of_data(resolved: ResolvedRecipe) -> Iterator[Requirement]:
    """What reads compressed files, files elsewhere and databases."""
    for source in (*resolved.train, *resolved.eval):
        because = f"{dotted(source.path)}: {source.spec.path}"
        if any(file.endswith(".zst") for file in source.facts.files):
            yield Requirement("zstandard", "zstandard", because)
        store = STORES.get(scheme_of(source.spec.path) or "")
        if store is not None:
            yield Requirement(store.name, store.module, because)


def _of_optimizer(name: str) -> tuple[str, str] | None:
    if name.startswith(_BITSANDBYTES):
        return "bitsandbytes", "bitsandbytes"
    return next((found for start, found in _OPTIMIZERS.items() if name.startswith(start)), None)
