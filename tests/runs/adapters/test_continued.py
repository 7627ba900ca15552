"""Every method that can be trained further begins with the weights and the options that it had."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.resolve_continued import AXIS, method_of
from recipe_runner.components.adapter import Adapter, Setting
from recipe_runner.components.base import create, discover
from recipe_runner.diagnostics import Place
from recipe_runner.execute.adapters.base import continued
from recipe_runner.execute.build import build
from recipe_runner.plan import AdapterStart
from recipe_runner.survey.adapter import survey_adapter
from tests.runs.adapters.matrix import LORA, SMALL, Case
from tests.runs.train.by_hand import plan_for
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]

VARIANTS = ("rsLoRA", "DoRA", "MiCA", "KaSA", "BD-LoRA", "rank pattern", "tokens", "saved head")


def _goes_on(kind: Any) -> bool:
    return kind.upstream is not None and kind.targets != "prompt" and not kind.needs_steps


CASES = [
    *(
        Case(name, "", SMALL.get(name, {}))
        for name, kind in discover(AXIS).items()
        if _goes_on(kind)
    ),
    *(Case("lora", variant, {"r": 4, **LORA[variant]}) for variant in VARIANTS),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoModelForCausalLM

    folder = tiny_model(tmp_path_factory.mktemp("model"))
    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_a_method_begins_as_it_was_saved(case: Case, base: Any, tmp_path: Path) -> None:
    import torch
    from peft import get_peft_model

    setting = Setting("causal_lm", 100)
    adapter: Adapter = create(AXIS, {"type": case.type, **case.options})
    for field, value, _ in adapter.decide():
        adapter = adapter.model_copy(update={field: value})
    first = get_peft_model(copy.deepcopy(base), build(adapter.compile(setting)))
    torch.manual_seed(1)
    for parameter in first.parameters():
        if parameter.requires_grad:
            parameter.data += 0.02 * torch.randn_like(parameter)
    first.save_pretrained(tmp_path / "saved")

    found = method_of(survey_adapter("saved", tmp_path, Place("recipe.yaml")))
    assert isinstance(found, Adapter), found
    plan = plan_for(
        Path(base.config._name_or_path),
        tmp_path,
        adapter=found.compile(setting),
        adapter_start=AdapterStart(weights=str(tmp_path / "saved")),
    )
    again = continued(copy.deepcopy(base), plan)
    tokens = torch.arange(10, 40)[None]
    expected = first.eval()(input_ids=tokens).logits
    assert (expected - base.eval()(input_ids=tokens).logits).abs().max() > 1e-4
    torch.testing.assert_close(again.eval()(input_ids=tokens).logits, expected)
    assert _trained(again) == _trained(first)


def _trained(model: Any) -> int:
    return sum(each.numel() for each in model.parameters() if each.requires_grad)
