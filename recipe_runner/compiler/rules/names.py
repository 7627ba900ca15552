"""Rules about the names of modules and parameters, where the model's configuration tells them."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence

from recipe_runner.compiler.compile_parameters import architecture_of
from recipe_runner.compiler.estimate import Architecture
from recipe_runner.compiler.estimate.targets import ALL_LINEAR, named, reach
from recipe_runner.compiler.resolved import Path, ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.adapter import Adapter

_LISTS = ("target_modules", "exclude_modules", "feedforward_modules")
_PATTERNS = ("rank_pattern", "alpha_pattern")


@rule("RR470", "name-finds-no-module")
def name_finds_no_module(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The adapter names a module, or a parameter, that the model does not have.

    ## Why it matters

    PEFT passes over a name that finds nothing as long as another one finds something: the run
    would train other layers than the recipe says.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter: {type: lora, target_modules: [q_proj, v_porj]}  # <- RR470
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter: {type: lora, target_modules: [q_proj, v_proj]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    adapter, architecture = resolved.recipe.adapter, architecture_of(resolved)
    if adapter is None or architecture is None or architecture.has_experts:
        return
    for path, name, known in _names(adapter, architecture):
        field = f"adapter.{path[1]}"
        message = f"`{field}` has {name}, and no {_kind(field)} of the model has such a name"
        yield Finding(path, message, _choices(name, known))


def _kind(field: str) -> str:
    return "parameter" if field.endswith("parameters") else "module"


def _names(adapter: Adapter, architecture: Architecture) -> Iterator[tuple[Path, str, list[str]]]:
    """Names that find nothing: where each stands, and the names that would find something."""
    options, modules = adapter.options(), architecture.names
    known = _endings(modules)
    for field in _LISTS:
        given = options.get(field)
        if isinstance(given, str) and given != ALL_LINEAR:
            if readable(given) and not any(named(given, name) for name in modules):
                yield ("adapter", field), given, known
        elif isinstance(given, list):
            for number, name in enumerate(given):
                if not any(named([name], module) for module in modules):
                    yield ("adapter", field, number), name, known
    for number, name in enumerate(options.get("modules_to_save") or ()):
        if not any(module.endswith(name) for module in modules):
            yield ("adapter", "modules_to_save", number), name, known
    for field in _PATTERNS:
        for pattern in options.get(field) or {}:
            matcher = rf"(.*\.)?({pattern})$"
            if readable(matcher) and not any(re.match(matcher, name) for name in modules):
                yield ("adapter", field, pattern), pattern, known
    for number, name in enumerate(options.get("target_parameters") or ()):
        if not any(each.endswith(name) for each in architecture.parameters):
            yield ("adapter", "target_parameters", number), name, _endings(architecture.parameters)


def _endings(names: Iterable[str]) -> list[str]:
    """The last parts of the names, without numbers."""
    endings = (name.rpartition(".")[2] for name in names)
    return list(dict.fromkeys(ending for ending in endings if not ending.isdigit()))


def readable(pattern: str) -> bool:
    """True where the text is a regular expression."""
    try:
        re.compile(pattern)
    except re.error:
        return False  # another rule says so
    return True


def _choices(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.rpartition(".")[2], known, n=1)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return f"{guess}the names are {', '.join(sorted(known))}"


@rule("RR471", "adapter-on-no-layer")
def adapter_on_no_layer(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    What the adapter names is not something it can be put on, or nothing is left after
    `exclude_modules`; or it names nothing, and PEFT has no choice for this kind of model.

    ## Why it matters

    An adapter goes onto linear layers and embeddings, not onto norms or whole blocks. PEFT
    says so after the model was loaded.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter: {type: lora, target_modules: [mlp]}  # <- RR471
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter: {type: lora, target_modules: [gate_proj, up_proj, down_proj]}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    adapter, architecture = resolved.recipe.adapter, architecture_of(resolved)
    if adapter is None or architecture is None or architecture.has_experts:
        return
    path = ("adapter", "target_modules")
    if not all(readable(pattern) for _, pattern in adapter.patterns()):
        return
    layers = _endings(m.name for m in architecture.modules if m.kind == "linear")
    help_text = f"name linear layers: {', '.join(sorted(layers))}"
    found = reach(adapter, architecture)
    if found is None:
        message = f"PEFT has no choice of modules of its own for {architecture.family}"
        yield Finding(path, message, help_text)
    elif found.bare:
        names = _endings(found.bare)
        message = f"`adapter.target_modules` finds {', '.join(names)}, which {adapter.type} cannot be put on"
        yield Finding(path, message, help_text)
    elif found.known and not found.modules and adapter.targets != "prompt":
        # What finds nothing at all, and layers out of range, are told about by their own rules.
        told = (*_names(adapter, architecture), *_beyond(adapter, architecture))
        if not told:
            message = "`adapter.exclude_modules` and `modules_to_save` leave nothing to adapt"
            yield Finding(path, message, "exclude fewer modules")


@rule("RR472", "layer-out-of-range")
def layer_out_of_range(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    `adapter.layers_to_transform` has the index of a layer that the model does not have.

    ## Why it matters

    PEFT passes over it: fewer layers would train than the recipe says. The first is 0.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter:
      type: lora
      target_modules: [q_proj]
      layers_to_transform: [0, 2]  # <- RR472
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: models/tiny
    tokenizer: shipped:quickstart
    adapter:
      type: lora
      target_modules: [q_proj]
      layers_to_transform: [0, 1]
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """
    adapter, architecture = resolved.recipe.adapter, architecture_of(resolved)
    if adapter is None or architecture is None:
        return
    depth = architecture.num_layers
    for number, index in _beyond(adapter, architecture):
        message = (
            f"`adapter.layers_to_transform` has {index}, and the model has {depth} decoder layers"
        )
        yield Finding(("adapter", "layers_to_transform", number), message, f"use 0 to {depth - 1}")


def _beyond(adapter: Adapter, architecture: Architecture) -> Iterator[tuple[int, int]]:
    given = adapter.options().get("layers_to_transform") or ()
    return ((n, index) for n, index in enumerate(given) if index >= architecture.num_layers)
