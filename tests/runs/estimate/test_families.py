"""Modules that are told from a configuration are those of the real model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.estimate import modules_of
from recipe_runner.compiler.estimate.families import FAMILIES
from recipe_runner.plan import Task
from tests.runs.estimate.published import CONFIGS

pytestmark = pytest.mark.runs

CLASSES: dict[Task, str] = {
    "causal_lm": "AutoModelForCausalLM",
    "sequence_classification": "AutoModelForSequenceClassification",
    "token_classification": "AutoModelForTokenClassification",
}


def _real(config: Any, kind: str) -> Any:
    import torch
    import transformers

    with torch.device("meta"):
        return getattr(transformers, kind).from_config(config)


@pytest.mark.parametrize("name", CONFIGS)
def test_names_shapes_and_totals_are_those_of_the_real_model(name: str, tmp_path: Path) -> None:
    from transformers import AutoConfig

    family, values = CONFIGS[name]
    config = AutoConfig.for_model(family, **values)
    config.save_pretrained(tmp_path)
    told = modules_of(json.loads((tmp_path / "config.json").read_text()))
    stated = modules_of({"model_type": family, **values})
    real = _real(config, CLASSES["causal_lm"])
    assert told is not None
    assert told == stated
    named = dict(real.named_parameters(remove_duplicate=False))
    shapes = {
        f"{module.name}.{key}": shape
        for module in told.modules
        for key, shape in module.shapes.items()
    }
    assert shapes == {key: tuple(parameter.shape) for key, parameter in named.items()}
    assert set(told.parameters) == {key for key, _ in real.named_parameters()}
    assert told.total == sum(parameter.numel() for parameter in real.parameters())
    assert real.get_submodule(told.embeddings) is real.get_input_embeddings()
    assert told.head is not None
    assert real.get_submodule(told.head) is real.get_output_embeddings()
    modules = {key for key, _ in real.named_modules()}
    assert set(told.names) <= modules


@pytest.mark.parametrize("task", ["sequence_classification", "token_classification"])
@pytest.mark.parametrize("family", FAMILIES)
def test_heads_that_judge_are_those_of_the_real_model(family: str, task: Task) -> None:
    import transformers
    from transformers import AutoConfig

    values = next(values for kind, values in CONFIGS.values() if kind == family)
    config = AutoConfig.for_model(family, **values)
    config.num_labels = 3
    if type(config) not in getattr(transformers, CLASSES[task])._model_mapping:
        pytest.skip(f"transformers has no such class for {family}")
    told = modules_of(config.to_dict(), task=task, num_labels=3)
    real = _real(config, CLASSES[task])
    assert told is not None
    assert set(told.parameters) == {key for key, _ in real.named_parameters()}
    assert told.total == sum(parameter.numel() for parameter in real.parameters())
