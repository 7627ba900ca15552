"""The rule about runs that need more memory than the machine has."""

from collections.abc import Iterator
from dataclasses import fields

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.compiler.savings import Saving, fits, savings
from recipe_runner.components.base import settled
from recipe_runner.plan import MemoryPlan

FULL = 0.95
"""Share of the memory from which on a run is not expected to fit."""

_GIB = 2**30
_SHOWN = 4


@rule("RR340", "does-not-fit", severity="warning")
def does_not_fit(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    By the formula of the plan, a process needs more than 95% of the memory of its device when
    its rows are of full length.

    ## Why it matters

    The run ends with an out-of-memory error: at once, or hours later at the first batch of long
    rows. The formula is within 10% for usual models.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: wide, random_init: true}  # <- RR340
    tokenizer: {name_or_path: org/model-id, chat_template: chatml}
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```

    ```json wide/config.json
    {
      "model_type": "llama",
      "vocab_size": 128256,
      "hidden_size": 2048,
      "intermediate_size": 8192,
      "num_hidden_layers": 16,
      "num_attention_heads": 32,
      "num_key_value_heads": 8
    }
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: wide, random_init: true}
    tokenizer: {name_or_path: org/model-id, chat_template: chatml}
    data: {train: data/chat.jsonl}
    algorithm: sft
    training: {activation_checkpointing: true}
    output_dir: runs/x
    ```

    ```json wide/config.json
    {
      "model_type": "llama",
      "vocab_size": 128256,
      "hidden_size": 2048,
      "intermediate_size": 8192,
      "num_hidden_layers": 16,
      "num_attention_heads": 32,
      "num_key_value_heads": 8
    }
    ```
    """
    cost = compile_cost(resolved)
    if cost is None or cost.memory.limit is None or fits(cost, FULL):
        return
    memory, limit = cost.memory, cost.memory.limit
    device = "the machine" if settled(resolved.recipe.launch.use_cpu) else "the GPU"
    message = (
        f"the run needs about {_gib(memory.total)} GiB, and {device} has {_gib(limit)}: "
        f"{_parts(memory)}"
    )
    yield Finding(("model",), message, _help(savings(resolved, FULL)), of_key=True)


def _parts(memory: MemoryPlan) -> str:
    sizes = {f.name: getattr(memory, f.name) for f in fields(memory) if f.name != "limit"}
    largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:_SHOWN]
    return ", ".join(f"{name} {_gib(sizes[name])}" for name in largest if sizes[name] > 0)


def _help(found: tuple[Saving, ...]) -> str:
    if not found:
        return "use a smaller model, shorter rows, or a machine with more memory"
    if len(found) == 1 and len(found[0].words) > 1:
        *some, last = (f"`{word}`" for word in found[0].words)
        return f"set {', '.join(some)} and {last}: {_gib(found[0].memory.total)} GiB"
    ways = (f"`{saving.words[0]}` ({_gib(saving.memory.total)} GiB)" for saving in found)
    return f"set {' or '.join(ways)}"


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f}"
