"""Every adapter that merges is merged as PEFT does it, and answers as it did before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import discover
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.merge.possible import unmergeable
from tests.runs.adapters.matrix import ATTENTION, SMALL
from tests.runs.merge.shaken import (
    AXIS,
    LORA,
    adapted_run,
    adapter_call,
    answers,
    decoder,
    merged,
    stored,
    with_adapter,
)

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Biases, for the methods that train or need them.
    return decoder(tmp_path_factory.mktemp("base"), attention_bias=True, mlp_bias=True)


def _merging() -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name, component in discover(AXIS).items():
        assert issubclass(component, Adapter)
        # Without a class of PEFT it is no method, but a way to go on with one.
        if component.merges and component.upstream is not None and name != "lora":
            found.append((name, {"type": name, **SMALL.get(name, {})}))
    return found


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "lora": {},
    "rsLoRA": {"use_rslora": True},
    "DoRA": {"use_dora": True},
    "KaSA": {"kasa_config": {}},
    "BD-LoRA": {
        "bdlora": {"nblocks": 2, "target_modules_bd_a": ["q_proj"], "target_modules_bd_b": []},
        "target_modules": ["q_proj"],
    },
    "biases": {"bias": "all"},
    "biases of its own": {"lora_bias": True},
    "rank pattern": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 2.0}},
    "expert parameters": {
        "target_modules": ["q_proj"],
        "target_parameters": ["mlp.down_proj.weight"],
    },
    "one layer": {"layers_to_transform": [1], "target_modules": ATTENTION},
    "tokens": {"trainable_token_indices": [20, 21, 22]},
    "saved head": {"modules_to_save": ["lm_head"]},
    "saved embeddings": {"modules_to_save": ["embed_tokens"]},
}


@pytest.mark.parametrize(
    "options",
    [
        *(pytest.param(options, id=name) for name, options in _merging()),
        *(pytest.param({**LORA, **options}, id=name) for name, options in VARIANTS.items()),
    ],
)
def test_is_merged_as_peft_does_it(options: Mapping[str, Any], base: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    finished = adapted_run(tmp_path / "here", base, options)
    made = merged(finished)
    assert made.compared is not None
    # Float32 keeps some seven digits.
    assert made.compared.error < 1e-4
    assert made.compared.effect > 100 * made.compared.error

    plain = with_adapter(finished)
    wanted = answers(plain)
    loaded = AutoModelForCausalLM.from_pretrained(made.folder).eval()
    torch.testing.assert_close(answers(loaded), wanted, rtol=1e-4, atol=1e-4)
    weights, whole = loaded.state_dict(), plain.merge_and_unload().state_dict()
    assert weights.keys() == whole.keys()
    for name, weight in whole.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-5, atol=1e-5)
    assert stored(made.folder).keys() == stored(base).keys()


@pytest.mark.parametrize(
    "options",
    [
        {"type": "prefix_tuning", "num_virtual_tokens": 4},
        {"type": "lily", "r": 8},
        {**LORA, "alora_invocation_tokens": [5]},
        {**LORA, "layer_replication": [[0, 2], [1, 2]], "target_modules": ["q_proj"]},
    ],
    ids=lambda options: "-".join(list(options)[:4:3]),
)
def test_what_cannot_be_merged_is_known_from_the_plan(options: Mapping[str, Any]) -> None:
    word, why = unmergeable(adapter_call(options))
    assert word == options["type"]
    assert why


def test_a_method_that_cannot_be_merged_is_refused(base: Path, tmp_path: Path) -> None:
    finished = adapted_run(
        tmp_path / "here", base, {"type": "prompt_tuning", "num_virtual_tokens": 4}
    )
    with pytest.raises(DiagnosticError) as caught:
        merged(finished)
    assert caught.value.diagnostics[0].code.id == "RR732"
    assert "prompt_tuning" in caught.value.diagnostics[0].message
    assert not (finished.run.path / "merged").exists()


def test_what_peft_refuses_is_refused_with_its_reason(tmp_path: Path) -> None:
    # A bias of the second matrix has no place in a layer without one.
    finished = adapted_run(
        tmp_path / "here", decoder(tmp_path / "base"), {**LORA, "lora_bias": True}
    )
    with pytest.raises(DiagnosticError) as caught:
        merged(finished)
    assert caught.value.diagnostics[0].code.id == "RR732"
    assert "bias" in caught.value.diagnostics[0].message
    assert sorted(path.name for path in finished.run.path.iterdir() if "merge" in path.name) == [
        "merge.log"
    ]
