"""The same recipes on the device of this machine: on a GPU where there is one, else skipped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from recipe_runner.execute.launch import launch
from recipe_runner.execute.probe import this_machine
from recipe_runner.pipeline import compile_text
from tests.runs.train.by_hand import Recorder

MACHINE = this_machine()

pytestmark = [
    pytest.mark.runs,
    pytest.mark.gpu,
    pytest.mark.skipif(MACHINE.accelerators == 0, reason="no GPU on this machine"),
]

CHAT = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
WAYS = {
    "full": "",
    "lora": "adapter: lora\n",
    "qlora": "quantization: bnb_4bit\nadapter: lora\n",
    "lora-8-bit": "quantization: bnb_8bit\nadapter: lora\n",
    "packed": "adapter: lora\n",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_recipe_trains_on_the_gpu(
    way: str, processes: int, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if processes > MACHINE.accelerators:
        pytest.skip(f"{processes} GPUs are needed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "chat.jsonl").write_text((json.dumps(CHAT) + "\n") * 32)
    packing = ", packing: bfd" if way == "packed" else ""
    recipe = (
        f"recipe: 1\nmodel: {tiny_llama}\n{WAYS[way]}"
        f"data: {{train: chat.jsonl, max_length: 64{packing}}}\nalgorithm: sft\n"
        f"training: {{max_steps: 2, global_batch_size: 4, logging_steps: 1}}\n"
        f"launch: {{num_processes: {processes}}}\noutput_dir: run\n"
    )
    compiled = compile_text(recipe, "recipe.yaml", MACHINE, cwd=tmp_path)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    assert not compiled.plan.arguments.arguments["use_cpu"]
    outcome = launch(compiled.plan, recipe, recipe, Recorder())
    assert (outcome.status, outcome.step) == ("finished", 2)
    assert math.isfinite(outcome.metrics["loss"])
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert any(row.get("peak_gpu", 0) > 0 for row in rows)
