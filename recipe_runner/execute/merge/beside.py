"""What a merged model has beside its weights: configuration, tokenizer, template, card."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recipe_runner.execute.card import Subject, card, facts_of, hub_base
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan

_ADAPTERS_OWN = ("adapter_", "README", "training_args", "config.json", "generation_config.json")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")


def copy_beside(run: RunDirectory, folder: Path) -> None:
    """Copy what the run saved beside its adapter: the tokenizer or processor, and templates."""
    for path in sorted(run.model.iterdir()):
        if path.name.startswith(_ADAPTERS_OWN) or path.suffix in _WEIGHTS:
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copy2(path, folder / path.name)


def write_config(
    model: Any, run: RunDirectory, folder: Path, dtype: Any, loose: Iterable[str]
) -> None:
    """Write the configuration of the base as the run had it, and that of its generation.

    Code that came with the base goes along.
    """
    config = model.config
    config.dtype = str(dtype).removeprefix("torch.")
    config.architectures = [type(model).__name__]
    if set(loose):
        for part in {id(each): each for each in (config, config.get_text_config())}.values():
            part.tie_word_embeddings = False
    if model.is_remote_code():
        from transformers.dynamic_module_utils import custom_object_save

        custom_object_save(model, folder, config=config)
    config.save_pretrained(folder)
    generation = run.model / "generation_config.json"
    if generation.is_file():
        shutil.copy2(generation, folder / generation.name)
    elif getattr(model, "generation_config", None) is not None:
        model.generation_config.save_pretrained(folder)


def write_card(run: RunDirectory, plan: Plan, folder: Path, checked: str) -> None:
    """Write the card, which says that the adapter is merged, and how that was checked."""
    loaded = plan.model.auto_class.partition(":")[2]
    use = (
        "The adapter is merged into the weights: nothing but transformers is needed.\n\n"
        f"```python\nfrom transformers import {loaded}, AutoTokenizer\n\n"
        f'model = {loaded}.from_pretrained("PATH", dtype="auto")\n'
        'tokenizer = AutoTokenizer.from_pretrained("PATH")\n```\n\n'
        f"{checked[:1].upper()}{checked[1:]}."
    )
    subject = Subject(
        "finetune",
        "a fine-tune, merged from an adapter, of",
        "transformers",
        hub_base(plan),
        use,
        ("merged",),
    )
    text = card(plan, facts_of(run, plan), subject)
    (folder / "README.md").write_text(text, encoding="utf-8")
