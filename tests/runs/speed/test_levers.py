"""Levers change no loss and no gradient, say what became of them, and are off where they are off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runs.algorithms.matrix import ALGORITHMS, Case
from tests.runs.speed.table import EXACT, HOW, compare, run
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]

NO_DROPOUT = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop", "dropout", "layerdrop"), 0.0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return tiny_model(folder / "model"), tiny_model(folder / "teacher", seed=1)


@pytest.mark.parametrize(
    "algorithm", [name for name in ALGORITHMS if name != "server_distillation"]
)
def test_losses_and_gradients_are_those_without_levers(
    algorithm: str, models: tuple[Path, Path], tmp_path: Path
) -> None:
    found = compare(algorithm, "full", tmp_path, *models)
    assert found.auto.said == found.off.said == ""
    assert found.auto.levers["padding_free"]["state"] == "applied"
    assert "tokens were padding" in found.auto.levers["padding_free"]["did"]
    assert {each["state"] for each in found.off.levers.values()} <= {"refused", "not needed"}
    assert found.difference < EXACT


@pytest.mark.parametrize("how", [name for name in HOW if name != "full"])
@pytest.mark.parametrize("algorithm", ["sft", "dpo", "reward"])
def test_so_they_are_beside_an_adapter(
    algorithm: str, how: str, models: tuple[Path, Path], tmp_path: Path
) -> None:
    found = compare(algorithm, how, tmp_path, *models)
    assert found.auto.said == found.off.said == ""
    assert found.difference < EXACT


@pytest.mark.parametrize(
    ("family", "refused"),
    [
        ("qwen3", ""),
        ("gemma3_text", ""),
        ("gpt2", ""),
        ("gpt_neox", ""),
        ("phi3", ""),
        ("bloom", "takes no `position_ids`"),
        ("stablelm", "does not let its attention be replaced"),
        ("gemma2", "caps its attention scores"),
    ],
)
def test_architectures(family: str, refused: str, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", family=family)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    known = {name: value for name, value in NO_DROPOUT.items() if name in config}
    section = {"name_or_path": str(model), "config_overrides": known}
    found = compare("sft", "full", tmp_path, model, model, {"model": section})
    assert found.auto.said == found.off.said == ""
    lever = found.auto.levers["padding_free"]
    assert lever["state"] == ("refused" if refused else "applied")
    assert refused in lever["because"]
    assert found.difference < EXACT


def test_rows_of_a_step_are_shared_out_by_tokens(models: tuple[Path, Path], tmp_path: Path) -> None:
    training = {
        "training": {"per_device_train_batch_size": 1, "max_steps": 4, "global_batch_size": 4}
    }
    found = compare("sft", "full", tmp_path, *models, training)
    assert found.auto.levers["micro_batches"]["state"] == "applied"
    assert found.difference < EXACT
    assert len(found.auto.losses) == 4


def test_a_required_lever_that_the_loaded_model_refuses_ends_the_run(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", family="stablelm")
    speed = {"speed": {"padding_free": "require"}}
    found = run(Case("sft"), tmp_path / "run", model, model, speed)
    assert found.said.startswith("RR724 `speed.padding_free` is required, and cannot be used: ")
    assert "does not let its attention be replaced" in found.said


@pytest.mark.parametrize(
    ("algorithm", "more"),
    [("grpo", {}), ("sft", {"score": {"rows": 2, "max_new_tokens": 4}})],
    ids=["grpo", "score"],
)
def test_an_adapter_answers_in_bfloat16(
    algorithm: str, more: dict[str, Any], models: tuple[Path, Path], tmp_path: Path
) -> None:
    sections: dict[str, Any] = {
        **HOW["lora"],
        **more,
        "launch": {"mixed_precision": "bf16", "use_cpu": True},
    }
    if more:
        sections["data"] = {"eval": {"split": 4}}
    found = run(Case(algorithm), tmp_path / "run", *models, sections)
    assert found.said == ""
    assert found.levers["adapter_inputs"]["state"] == "applied"


def test_bfloat16_changes_no_more_than_its_rounding(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    bf16: dict[str, Any] = {"launch": {"mixed_precision": "bf16", "use_cpu": True}}
    found = compare("sft", "lora", tmp_path, *models, bf16)
    assert found.auto.levers["adapter_inputs"]["state"] == "applied"
    assert found.difference < 2e-2
