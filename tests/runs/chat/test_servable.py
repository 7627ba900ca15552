"""What vLLM would refuse of an adapter, or serve wrongly, is told before it is started."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.answering.servable import vllm_command
from recipe_runner.execute.finished import FinishedRun, open_run
from tests.runs.chat.conftest import Made

pytestmark = pytest.mark.runs


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> FinishedRun:
    shutil.copytree(made.run, tmp_path / "run")
    return open_run(tmp_path / "run")


def change(file: Path, part: str | None, values: dict[str, Any]) -> None:
    whole = json.loads(file.read_text(encoding="utf-8"))
    (whole if part is None else whole[part]).update(values)
    file.write_text(json.dumps(whole), encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"use_dora": True}, "DoRA", id="dora"),
        pytest.param({"modules_to_save": ["lm_head"]}, "whole modules", id="modules-to-save"),
        pytest.param({"peft_type": "IA3"}, "IA3, and no LoRA", id="other-method"),
        pytest.param({"bias": "all"}, "biases", id="bias"),
        pytest.param({"init_lora_weights": "olora"}, "has changed the base", id="start"),
        pytest.param({"r": 600}, "its rank is 600", id="rank"),
        pytest.param({"rank_pattern": {"q_proj": 4}}, "of other ranks", id="rank-pattern"),
        pytest.param({"alpha_pattern": {"q_proj": 4}}, "of other strengths", id="alpha-pattern"),
    ],
)
def test_an_adapter_that_vllm_cannot_serve_is_named(
    copied: FinishedRun, values: dict[str, Any], words: str
) -> None:
    change(copied.run.model / "adapter_config.json", None, values)
    with pytest.raises(DiagnosticError) as refused:
        vllm_command(copied, copied.run.model)
    (told,) = refused.value.diagnostics
    assert (told.code.id, words in told.message) == ("RR632", True), told.message
    assert "recipe-run merge" in told.help


@pytest.mark.parametrize(
    ("part", "values"),
    [
        pytest.param("tokenizer", {"add_tokens": ["<x>"]}, id="added-tokens"),
        pytest.param("model", {"config_overrides": {"rope_theta": 5.0}}, id="overrides"),
        pytest.param("model", {"random_init": True}, id="random-weights"),
    ],
)
def test_a_base_that_vllm_would_load_otherwise_is_refused(
    copied: FinishedRun, part: str, values: dict[str, Any]
) -> None:
    change(copied.run.plan_file, part, values)
    with pytest.raises(DiagnosticError) as refused:
        vllm_command(open_run(copied.run.path), copied.run.model)
    assert [d.code.id for d in refused.value.diagnostics] == ["RR632"]


@pytest.mark.parametrize(("rank", "size"), [(8, "8"), (9, "16"), (48, "64"), (512, "512")])
def test_the_rank_is_one_that_vllm_knows(copied: FinishedRun, rank: int, size: str) -> None:
    values = {"r": rank, "rank_pattern": {}, "alpha_pattern": {}}
    change(copied.run.model / "adapter_config.json", None, values)
    words = vllm_command(copied, copied.run.model)
    assert words[words.index("--max-lora-rank") + 1] == size


def test_the_template_gets_its_variables_and_a_pinned_base_its_revision(
    copied: FinishedRun,
) -> None:
    change(copied.run.plan_file, "tokenizer", {"chat_template_kwargs": {"enable_thinking": False}})
    load = copied.plan.model.load
    change(copied.run.plan_file, "model", {"load": {**load, "revision": "abc"}})
    words = vllm_command(open_run(copied.run.path), copied.run.model)
    assert words[words.index("--revision") + 1] == "abc"
    given = words[words.index("--default-chat-template-kwargs") + 1]
    assert json.loads(given) == {"enable_thinking": False}


def test_a_model_with_its_own_weights_is_served_by_its_folder(copied: FinishedRun) -> None:
    merged = copied.run.path / "merged"
    merged.mkdir()
    (merged / "config.json").write_text('{"dtype": "bfloat16"}', encoding="utf-8")
    assert vllm_command(copied, merged, merged=True) == [
        *("vllm", "serve", str(merged), "--dtype", "bfloat16", "--served-model-name", "tiny")
    ]
