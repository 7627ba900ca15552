"""A reference is the model as it is at the start, not what its name would be read as again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.start import copies_of
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

PAIRS = [{"prompt": f"{n} + 2 =", "chosen": f" {n + 2}", "rejected": " no"} for n in range(4)]
JUDGED = [{"prompt": f"{n} + 2 =", "completion": " 4", "label": n == 2} for n in range(4)]
PROMPTS = [{"prompt": f"{n} + 2 =", "privileged_context": "count"} for n in range(4)]
COMMON: dict[str, Any] = {"use_cpu": True, "bf16": False, "report_to": "none"}


def _length(completions: list[str], **_: Any) -> list[float]:
    return [float(len(text)) for text in completions]


def _of(module: str, name: str, rows: list[dict[str, Any]], **options: Any) -> Callable[..., Any]:
    def make(model: Any, folder: Path) -> tuple[type, Callable[[], Any]]:
        import importlib

        import datasets
        from transformers import AutoTokenizer

        home = importlib.import_module(module)
        kind = getattr(home, f"{name}Trainer")
        args = getattr(home, f"{name}Config")(str(folder / "out"), **COMMON, **options)
        judged = {"reward_funcs": _length} if name in ("GRPO", "RLOO") else {}
        return kind, lambda: kind(
            model=model,
            args=args,
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(folder / "model"),
            **judged,
        )

    return make


TRAINERS: dict[str, tuple[Callable[..., Any], str]] = {
    "dpo": (_of("trl", "DPO", PAIRS), "ref_model"),
    "kto": (_of("trl", "KTO", JUDGED, per_device_train_batch_size=2), "ref_model"),
    "grpo": (_of("trl", "GRPO", PROMPTS, beta=0.1, num_generations=2), "ref_model"),
    "rloo": (_of("trl", "RLOO", PROMPTS, num_generations=2), "ref_model"),
    "sdft": (
        _of("trl.experimental.sdft", "SDFT", PROMPTS, teacher_model_kind="base"),
        "teacher_model",
    ),
}


@pytest.mark.parametrize("name", TRAINERS)
def test_a_reference_is_what_the_run_starts_from(name: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    def weights(model: Any) -> Any:
        return next(model.parameters()).detach()

    path = tiny_model(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(path)
    in_folder = weights(model).clone()
    # As tokens that a recipe adds, or another revision than the newest, would make it.
    weights(model).add_(1.0)
    made, attribute = TRAINERS[name]
    kind, trainer = made(model, tmp_path)
    # The day this fails, upstream copies the model itself, and `execute/start.py` can go.
    assert torch.equal(weights(getattr(trainer(), attribute)).cpu(), in_folder)
    with copies_of(model, kind, {}):
        reference = getattr(trainer(), attribute)
    assert reference is not model
    assert torch.equal(weights(reference), weights(model))
