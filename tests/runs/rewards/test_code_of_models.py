"""Code that comes with a reference or a judge is not run, and nobody is asked whether it may be."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.model import load_other
from recipe_runner.execute.rewards.model import ModelJudge
from recipe_runner.plan import ModelPlan, Plan
from tests.runs.rewards.conftest import judge_plan

pytestmark = pytest.mark.runs

CODE = """
import pathlib
from transformers import PretrainedConfig

pathlib.Path({ran!r}).touch()


class OwnConfig(PretrainedConfig):
    model_type = "own"
"""


def load_tokenizer_alone(plan: Plan, model: ModelPlan) -> Any:
    """A judge whose configuration is fine, and whose tokenizer has code."""
    folder = Path(model.name_or_path)
    config = {"model_type": "llama", "num_labels": 1, "id2label": {"0": "x"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["conf.OwnConfig", None]}}), encoding="utf-8"
    )
    return ModelJudge(plan, model, 1)


@pytest.mark.parametrize(
    "load",
    [load_other, lambda plan, model: ModelJudge(plan, model, 1), load_tokenizer_alone],
    ids=["a model", "a judge", "the tokenizer of a judge"],
)
@pytest.mark.parametrize(
    "said", [{}, {"trust_remote_code": False}, {"trust_remote_code": True}], ids=str
)
def test_code_is_not_run_though_somebody_says_yes(
    load: Callable[..., Any],
    said: dict[str, bool],
    base_plan: Plan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"model_type": "own", "auto_map": {"AutoConfig": "conf.OwnConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "conf.py").write_text(CODE.format(ran=str(tmp_path / "ran")), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 100))
    plan = judge_plan(tmp_path)
    plan = replace(plan, load={**plan.load, **said})
    with pytest.raises(ValueError, match="contains custom code"):
        load(base_plan, plan)
    assert not (tmp_path / "ran").exists()
