"""The packages that a plan needs beside those that every run needs."""

from collections.abc import Iterator, Mapping

from recipe_runner.compiler.optimizers import optimizer_of
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.plan import Requirement
from recipe_runner.recipe.schema import Recipe
from recipe_runner.rows.address import STORES, scheme_of
from recipe_runner.syntax import dotted
from recipe_runner.upstream import versions

_ATTENTION: Mapping[str, tuple[str, str]] = {
    "flash_attention_2": ("flash-attn", "flash_attn"),
    "flash_attention_3": ("flash-attn-3", "flash_attn_interface"),
}
"""Packages of attention kernels."""


def required(resolved: ResolvedRecipe) -> tuple[Requirement, ...]:
    """Packages with the key that asks for them, each once."""
    recipe = resolved.recipe
    wanted = list(recipe.quantization.packages()) if recipe.quantization else []
    wanted += list(recipe.adapter.packages()) if recipe.adapter else []
    for tracker in recipe.tracking:
        wanted.append(Requirement(tracker.package, tracker.module, f"tracking: {tracker.type}"))
    if resolved.sharding.package is not None:
        package = resolved.sharding.package
        wanted.append(Requirement(package, package, f"launch.strategy: {resolved.sharding.type}"))
    if recipe.training.use_liger_kernel:
        wanted.append(Requirement("liger-kernel", "liger_kernel", "training.use_liger_kernel"))
    if recipe.model.task == "image_text_to_text":
        wanted.append(Requirement("pillow", "PIL", f"model.task: {recipe.model.task}"))
    wanted += _of_algorithm(recipe)
    optimizer = optimizer_of(recipe.training.optim).package
    if optimizer is not None:
        wanted.append(Requirement(*optimizer, f"training.optim: {recipe.training.optim}"))
    wanted += _of_data(resolved)
    attention = _ATTENTION.get(recipe.model.attn_implementation or "")
    if attention is not None:
        wanted.append(Requirement(*attention, "model.attn_implementation"))
    return tuple({each.module: each for each in reversed(wanted)}.values())[::-1]


def _of_algorithm(recipe: Recipe) -> Iterator[Requirement]:
    """What trains and judges: an experimental trainer is of one release of its package."""
    algorithm = recipe.algorithm
    if algorithm.experimental:
        package = algorithm.trainer.partition(":")[0].partition(".")[0]
        major, minor = versions()[package].split(".")[:2]
        pinned = f">={major}.{minor},<{major}.{int(minor) + 1}"
        because = f"algorithm: {algorithm.type}, which is experimental"
        yield Requirement(package, package, because, pinned)
    yield from algorithm.packages()
    for reward in recipe.rewards:
        yield from reward.requires


def _of_data(resolved: ResolvedRecipe) -> Iterator[Requirement]:
    """What reads compressed files, files elsewhere and databases."""
    for source in (*resolved.train, *resolved.eval):
        because = f"{dotted(source.path)}: {source.spec.path}"
        if any(file.endswith(".zst") for file in source.facts.files):
            yield Requirement("zstandard", "zstandard", because)
        store = STORES.get(scheme_of(source.spec.path) or "")
        if store is not None:
            yield Requirement(store.name, store.module, because)
