"""`python -m tests.runs.estimate.counts`: what the plan counts against the real models.

First what the plan tells of a model's configuration, for the methods that have a formula, on
several architectures; then what `plan --trace` counts, for every adapter on one. The real
count is of a model that was loaded and has its adapter on.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.components.base import discover
from recipe_runner.pipeline import compile_text
from recipe_runner.plan import Plan
from tests.runs.adapters.matrix import AXIS, LORA, SMALL
from tests.tiny import tiny_model

EMBEDDINGS = {"gpt2": "wte", "gpt_neox": "embed_in"}
ATTENTION = {"gpt2": "c_attn", "phi3": "qkv_proj"}
FAMILIES = ("llama", "qwen3", "gpt2", "gemma2")
TRACED = "llama"

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Counted:
    """A case: the plan's count, that of a trace where it was made, and the real one."""

    family: str
    name: str
    told: int | None
    traced: int | None
    real: int

    @property
    def agrees(self) -> bool:
        """True where every count that there is is the real one."""
        return {self.told, self.traced} - {None} == {self.real}

    def __str__(self) -> str:
        shown = (
            "" if count is None else f"{count:,}" for count in (self.told, self.traced, self.real)
        )
        plan, trace, real = shown
        mark = "equal" if self.agrees else "NOT EQUAL"
        return f"{self.family:9} {self.name:34} {plan:>9} {trace:>9} {real:>9}  {mark}"


HEAD = f"{'family':9} {'adapter':34} {'plan':>9} {'trace':>9} {'real':>9}"


def cases(family: str) -> dict[str, Changes]:
    """What a recipe says, by a name; `family` decides what layers are called."""
    table, layer = EMBEDDINGS.get(family, "embed_tokens"), ATTENTION.get(family, "q_proj")
    lora = {"type": "lora", "r": 4}
    return {
        "LoRA": {"adapter": lora},
        "LoRA, one layer": {
            "adapter": {**lora, "target_modules": [layer], "layers_to_transform": [1]}
        },
        "LoRA, regular expression": {"adapter": {**lora, "target_modules": rf".*\.0\..*\.{layer}"}},
        "LoRA, all but": {"adapter": {**lora, "exclude_modules": [layer]}},
        "LoRA, other ranks": {"adapter": {**lora, "rank_pattern": {layer: 7, r"0\..*": 2}}},
        "LoRA with biases": {"adapter": {**lora, "bias": "all"}},
        "LoRA with its biases": {"adapter": {**lora, "bias": "lora_only"}},
        "LoRA on embeddings": {"adapter": {**lora, "target_modules": [table, layer]}},
        "LoRA and tokens": {"adapter": {**lora, "trainable_token_indices": [7, 8]}},
        "DoRA": {"adapter": {**lora, "use_dora": True}},
        "AdaLoRA": {"adapter": {"type": "adalora"}},
        "VeRA": {"adapter": {"type": "vera", "r": 8}},
        "IA3": {"adapter": {"type": "ia3"}},
        "prefix tuning": {"adapter": {"type": "prefix_tuning", "num_virtual_tokens": 5}},
        "prompt tuning": {"adapter": {"type": "prompt_tuning", "num_virtual_tokens": 5}},
        "p-tuning": {"adapter": {"type": "p_tuning", "num_virtual_tokens": 5}},
        "norms": {"adapter": {"type": "ln_tuning"}},
        "modules_to_save": {"adapter": {**lora, "modules_to_save": [table, "lm_head"]}},
        "modules_to_save, added tokens": {
            "adapter": {**lora, "modules_to_save": [table, "lm_head"]},
            "tokenizer": {"add_tokens": ["<a>", "<b>"]},
        },
        "LoRA, a head that judges": {"adapter": lora, "algorithm": "reward"},
        "full": {},
        "full, frozen embeddings": {"model.freeze": [table]},
        "full, one layer": {"model.trainable_parameters": [r"\.1\."]},
        "full, rounded embeddings": {"tokenizer": {"resize_embeddings_multiple_of": 64}},
    }


def compare(
    folder: Path, family: str, name: str, changes: Changes, *, traced: bool = False
) -> Counted | str:
    """Count in every way; the diagnostics where the recipe is refused."""
    plan = plan_of(folder, family, changes)
    if isinstance(plan, str):
        return plan
    from recipe_runner.execute.trace import trace

    told = plan.parameters.trained if plan.parameters is not None else None
    counted = trace(plan).trained if traced else None
    return Counted(family, name, told, counted, real_count(plan))


def plan_of(folder: Path, family: str, changes: Changes) -> Plan | str:
    """The plan of a recipe for the model in `folder / family`; the diagnostics where it has none."""
    rows = "pairs" if changes.get("algorithm") == "reward" else "chat"
    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": {"name_or_path": family},
        "data": {"train": f"{rows}.jsonl"},
        "algorithm": "sft",
        "training": {"max_steps": 20, "save_only_model": True},
        "launch": {"use_cpu": True},
        "output_dir": "run",
    }
    for key, value in changes.items():
        section, _, field = key.partition(".")
        if field:
            recipe[section][field] = value
        else:
            recipe[key] = value
    compiled = compile_text(json.dumps(recipe), "recipe.yaml", machine("cpu"), cwd=folder)
    if compiled.plan is None:
        return "; ".join(f"{found.code.id} {found.message}" for found in compiled.report)
    return compiled.plan


def real_count(plan: Plan) -> int:
    """What trains of the loaded model with its adapter on."""
    from peft import get_peft_model

    from recipe_runner.execute.build import build
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.execute.trace import count

    model = load_model(plan, load_tokenizer(plan.tokenizer))
    if plan.adapter is not None:
        how = plan.adapter.arguments.get("init_lora_weights")
        # Starts that look at rows of the data have as many parameters.
        plain = {"init_lora_weights": True} if isinstance(how, str) else {}
        model = get_peft_model(model, build(plan.adapter, **plain))
    return count(model)[1]


def prepare(folder: Path, families: tuple[str, ...]) -> None:
    """Write a model of each family, and rows."""
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    (folder / "chat.jsonl").write_text((json.dumps({"messages": turns}) + "\n") * 8)
    pair = {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    (folder / "pairs.jsonl").write_text((json.dumps(pair) + "\n") * 8)
    for family in families:
        tiny_model(folder / family, family=family)


def every_adapter() -> Iterator[tuple[str, Changes]]:
    """Each type of adapter that begins anew, then LoRA's variants for a base in full precision."""
    for name in discover(AXIS):
        if name != "continued":
            yield name, {"adapter": {"type": name, **SMALL.get(name, {})}}
    for variant, options in LORA.items():
        if variant not in ("aLoRA", "LoftQ"):
            yield f"lora: {variant}", {"adapter": {"type": "lora", "r": 4, **options}}


def main() -> int:
    """Print both tables; 1 where a count is not the real one."""
    agree = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, FAMILIES)
        print(HEAD)
        tasks = [(f, n, c, False) for f in FAMILIES for n, c in cases(f).items()]
        tasks += [(TRACED, n, c, True) for n, c in every_adapter()]
        for family, case, changes, traced in tasks:
            found = compare(folder, family, case, changes, traced=traced)
            agree = agree and isinstance(found, Counted) and found.agrees
            print(found if isinstance(found, Counted) else f"{family:9} {case:34} {found}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
