"""Adapters upon adapters: trained further, on a merged base, and on top of one that stays."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.checkpoints import all_checkpoints
from recipe_runner.execute.finished import open_run
from recipe_runner.execute.launch import launch
from recipe_runner.execute.record import RunDirectory
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Plan
from tests.runs.adapters.matrix import NEAR, as_stored, loss_of
from tests.runs.train.by_hand import Recorder
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

NEW = {"type": "lora", "r": 4, "lora_dropout": 0.1}
ROWS = [{"text": f"what is {a} + {b} please answer {a + b}"} for a in range(4) for b in range(4)]
PAIRS = [
    {"prompt": f"what is {a} + 1", "chosen": f" {a + 1}", "rejected": f" {a}"} for a in range(8)
]


def compiled(folder: Path, model: Any, adapter: Any, **sections: Any) -> tuple[Plan, str]:
    """The plan of a recipe in `folder`, and its text."""
    folder.mkdir(exist_ok=True)
    for name, rows in (("rows.jsonl", ROWS), ("pairs.jsonl", PAIRS)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "recipe": 1,
        "model": model,
        "adapter": adapter,
        "data": {"train": "rows.jsonl", "eval": "rows.jsonl", "max_length": 64},
        "algorithm": "sft",
        "training": {
            "max_steps": 6,
            "global_batch_size": 8,
            "per_device_eval_batch_size": 16,
            "learning_rate": 1e-2,
            "warmup_steps": 0,
            "logging_steps": 1,
            "eval_on_start": True,
            "eval_strategy": "steps",
            "eval_steps": 6,
            "save_strategy": "steps",
            "save_steps": 3,
            "load_best_model_at_end": False,
        },
        "launch": {"use_cpu": True, "num_processes": 1},
        "output_dir": str(folder / "run"),
        **sections,
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    result = compile_file(str(file), machine("cpu"), cwd=folder)
    assert result.plan is not None, [d.message for d in result.report.diagnostics]
    return result.plan, file.read_text(encoding="utf-8")


def trained(folder: Path, model: Any, adapter: Any, **sections: Any) -> Path:
    """Train a recipe and return its run directory."""
    plan, text = compiled(folder, model, adapter, **sections)
    launch(plan, text, "", Recorder())
    return folder / "run"


def losses(run: Path, name: str = "eval_loss") -> list[float]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row[name] for row in map(json.loads, lines) if name in row]


def plain(base: Path, *adapters: Path, quantization: Any = None) -> Any:
    """The base with each adapter but the last merged into it, by transformers and PEFT alone."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    options = {"quantization_config": quantization} if quantization is not None else {}
    model = as_stored(AutoModelForCausalLM.from_pretrained(base, dtype="float32", **options))
    for number, adapter in enumerate(adapters, 1):
        model = PeftModel.from_pretrained(model, adapter)
        model = model.merge_and_unload() if number < len(adapters) else model
    return model.eval()


def loss(model: Any, run: Path) -> float:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    return loss_of(model, tokenizer, run.parent / "rows.jsonl")


def goes_on(run: Path, near: float = 0.0) -> None:
    """Interrupted after its third step, the run ends with the same losses."""
    directory = RunDirectory(run)
    plan, text = directory.read_plan(), directory.recipe_file.read_text(encoding="utf-8")
    expected = losses(run, "loss")
    newest = all_checkpoints(directory.checkpoints)[0].path
    assert newest.name == "checkpoint-6"
    shutil.rmtree(newest)
    shutil.rmtree(directory.model)
    directory.update_status(status="interrupted")
    outcome = launch(plan, text, "", Recorder())
    assert outcome.resumed_from is not None
    assert losses(run, "loss") == pytest.approx(expected, abs=near)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def first(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose adapter has another rank than the next, rsLoRA's scale, and fewer layers."""
    adapter: Mapping[str, Any] = {
        "type": "lora",
        "r": 2,
        "use_rslora": True,
        "lora_dropout": 0.2,
        "target_modules": ["q_proj", "down_proj"],
        "rank_pattern": {"down_proj": 3},
    }
    return trained(tmp_path_factory.mktemp("first"), str(model), adapter)


def test_a_continued_adapter_begins_where_it_ended(
    model: Path, first: Path, tmp_path: Path
) -> None:
    run = trained(tmp_path, str(model), {"type": "continued", "path": str(first)})
    began, ended = losses(run)
    assert began == pytest.approx(losses(first)[-1], abs=NEAR)
    assert ended < began - 0.01
    assert loss(plain(model, run / "model"), run) == pytest.approx(ended, abs=NEAR)
    before, after = (
        json.loads((each / "model" / "adapter_config.json").read_text()) for each in (first, run)
    )
    assert {k: after[k] for k in ("r", "rank_pattern", "use_rslora")} == {
        k: before[k] for k in ("r", "rank_pattern", "use_rslora")
    }
    goes_on(run)


def test_a_base_with_an_adapter_merged_into_it_begins_where_that_ended(
    model: Path, first: Path, tmp_path: Path
) -> None:
    from recipe_runner.execute.loading import load_run

    run = trained(tmp_path, {"name_or_path": str(model), "adapter": str(first)}, NEW)
    began, ended = losses(run)
    assert began == pytest.approx(losses(first)[-1], abs=NEAR)
    assert ended < began - 0.01
    by_hand = plain(model, first / "model", run / "model")
    assert loss(by_hand, run) == pytest.approx(ended, abs=NEAR)
    assert loss(load_run(open_run(run)).model, run) == pytest.approx(ended, abs=NEAR)
    goes_on(run)


def test_a_merged_base_trains_in_full(model: Path, first: Path, tmp_path: Path) -> None:
    run = trained(tmp_path, {"name_or_path": str(model), "adapter": str(first)}, None)
    began, ended = losses(run)
    assert began == pytest.approx(losses(first)[-1], abs=NEAR)
    assert loss(plain(run / "model"), run) == pytest.approx(ended, abs=NEAR)


@pytest.mark.parametrize("quantization", [None, "bnb_4bit"])
def test_two_adapters_are_saved_as_one_that_fits_the_plain_base(
    quantization: str | None, model: Path, first: Path, tmp_path: Path
) -> None:
    from transformers import BitsAndBytesConfig

    base = {"name_or_path": str(model), "adapter": {"path": str(first), "merge": False}}
    run = trained(tmp_path, base, NEW, quantization=quantization)
    began, ended = losses(run)
    assert ended < began - 0.01
    by_hand = None
    if quantization is None:
        assert began == pytest.approx(losses(first)[-1], abs=NEAR)
    else:
        by_hand = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype="float32",
        )
    joined = plain(model, run / "model", quantization=by_hand)
    assert loss(joined, run) == pytest.approx(ended, abs=NEAR)
    # The one beneath has stayed: it is the first part of each joined matrix.
    assert _first_part(run, 3) == pytest.approx(_first_part(first, 3))
    goes_on(run, near=0.0 if quantization is None else 1e-3)


def _first_part(run: Path, ranks: int) -> list[float]:
    from safetensors.torch import load_file

    state = load_file(run / "model" / "adapter_model.safetensors")
    matrix = state["base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"]
    return [float(value) for value in matrix[:ranks].flatten()]


def test_dpo_compares_with_the_adapter_as_it_was(model: Path, first: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    run = trained(
        tmp_path,
        str(model),
        {"type": "continued", "path": str(first)},
        data={"train": "pairs.jsonl", "eval": "pairs.jsonl", "max_length": 64},
        algorithm="dpo",
    )
    began, ended = losses(run)
    # Where the model is its own reference, every pair costs -log(1/2).
    assert began == pytest.approx(math.log(2), abs=1e-5)
    assert ended < began - 1e-3
    newest = all_checkpoints(RunDirectory(run).checkpoints)[0].path
    kept = load_file(newest / "ref" / "adapter_model.safetensors")
    before = load_file(first / "model" / "adapter_model.safetensors")
    assert all(kept[name].equal(value) for name, value in before.items())
    assert not (run / "model" / "ref").exists()
    goes_on(run)


def test_an_adapter_of_another_size_is_refused(first: Path, tmp_path: Path) -> None:
    other = tiny_model(tmp_path / "model", family="qwen2")
    shutil.copytree(first / "model", tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "base_model_name_or_path": str(other), "r": 4}))
    plan, text = compiled(
        tmp_path, str(other), {"type": "continued", "path": str(tmp_path / "adapter")}
    )
    with pytest.raises(DiagnosticError) as caught:
        launch(plan, text, "", Recorder())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR722"
    assert "size mismatch" in diagnostic.message


def test_two_adapters_on_embeddings_are_refused(model: Path, first: Path, tmp_path: Path) -> None:
    base = {"name_or_path": str(model), "adapter": {"path": str(first), "merge": False}}
    new = {**NEW, "target_modules": ["embed_tokens", "q_proj"]}
    plan, text = compiled(tmp_path, base, new)
    with pytest.raises(DiagnosticError) as caught:
        launch(plan, text, "", Recorder())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "RR723"
    assert "embed_tokens" in diagnostic.message
