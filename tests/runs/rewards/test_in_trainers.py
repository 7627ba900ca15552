"""Rewards inside TRL's trainers: metrics, the log while a run goes, and a fault that ends it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.rewards import CompletionsLog, build_rewards
from recipe_runner.plan import RewardPlan
from tests.runs.rewards.conftest import Planned, of_code

pytestmark = pytest.mark.runs

PROMPTS = [{"role": "user", "content": f"what is {n} + 1"} for n in range(8)]
ROWS = [
    {"prompt": [prompt], "answer": str(n + 1), "_row": f"data/q.jsonl:{n + 1}"}
    for n, prompt in enumerate(PROMPTS)
]


MODULES = {"GRPO": "trl", "RLOO": "trl", "OnlineDPO": "trl.experimental.online_dpo"}
SIZES: Mapping[str, Mapping[str, int]] = {
    "GRPO": {"per_device_train_batch_size": 4, "num_generations": 2, "max_completion_length": 6},
    "RLOO": {"per_device_train_batch_size": 4, "num_generations": 2, "max_completion_length": 6},
    "OnlineDPO": {"per_device_train_batch_size": 2, "max_new_tokens": 6},
}
"""Four answers in a step of each."""


def trainer_of(kind: str, model: Path, folder: Path, rewards: list[Any], **more: Any) -> Any:
    import datasets
    from transformers import AutoTokenizer

    module = importlib.import_module(MODULES[kind])
    arguments = getattr(module, f"{kind}Config")(
        output_dir=str(folder / "out"),
        max_steps=2,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        reward_weights=[1.0] * len(rewards),
        **SIZES[kind],
    )
    return getattr(module, f"{kind}Trainer")(
        model=str(model),
        args=arguments,
        reward_funcs=rewards,
        processing_class=AutoTokenizer.from_pretrained(model),
        train_dataset=datasets.Dataset.from_list(ROWS),
        **more,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_log_can_be_read_while_a_trainer_runs(
    kind: str, planned: Planned, tiny_llama: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer, TrainerCallback

    path = tmp_path / "completions.jsonl"
    seen: list[int] = []

    class Reader(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seen.append(len(lines(path)))

    plan = planned(
        RewardPlan("exact_match", "right", 1.0, {"column": "answer"}),
        RewardPlan("length", "short", 1.0, {"unit": "tokens", "min": 0, "max": 3}),
    )
    rewards = build_rewards(plan, AutoTokenizer.from_pretrained(tiny_llama), CompletionsLog(path))
    trainer = trainer_of(kind, tiny_llama, tmp_path, rewards, callbacks=[Reader()])
    trainer.train()
    assert seen == [4, 8]
    written = lines(path)
    assert [line["step"] for line in written] == [0] * 4 + [1] * 4
    for line in written:
        row = next(row for row in ROWS if row["_row"] == line["row"])
        assert line["prompt"] == row["prompt"]
        assert set(line["rewards"]) == {"right", "short"}
        assert line["total"] == pytest.approx(sum(line["rewards"].values()))
    if kind == "OnlineDPO":
        return
    first = written[:4]
    mean = sum(line["rewards"]["short"] for line in first) / 4
    assert trainer.state.log_history[0]["rewards/short/mean"] == pytest.approx(mean)
    total = sum(line["total"] for line in first) / 4
    assert trainer.state.log_history[0]["reward"] == pytest.approx(total)


def test_judge_says_what_trl_has_the_same_model_say(
    planned: Planned, tiny_llama: Path, reward_model: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    options = {"model": str(reward_model), "batch_size": 3}
    plan = planned(RewardPlan("model", "ours", options=options), judges={0: reward_model})
    (ours,) = build_rewards(plan, AutoTokenizer.from_pretrained(tiny_llama), None)
    theirs = AutoModelForSequenceClassification.from_pretrained(reward_model).eval()
    name = reward_model.name
    trainer = trainer_of("GRPO", tiny_llama, tmp_path, [ours, theirs])
    trainer.train()
    steps = [row for row in trainer.state.log_history if "reward" in row]
    assert len(steps) == 2
    for step in steps:
        mean, spread = (step[f"rewards/{name}/{each}"] for each in ("mean", "std"))
        assert step["rewards/ours/mean"] == pytest.approx(mean, abs=1e-5)
        assert step["rewards/ours/std"] == pytest.approx(spread, abs=1e-5)
        assert spread > 0


@pytest.mark.parametrize("kind", sorted(MODULES))
@pytest.mark.parametrize(
    ("body", "code"),
    [("raise KeyError('tone')", "RR717"), ("return [float('nan')] * len(completions)", "RR718")],
    ids=["raises", "nan"],
)
def test_fault_of_a_reward_ends_a_trainer(
    kind: str, body: str, code: str, planned: Planned, tiny_llama: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    file = tmp_path / "judge.py"
    file.write_text(f"def judge(completions, **columns):\n    {body}\n", encoding="utf-8")
    rewards = build_rewards(planned(of_code(file)), AutoTokenizer.from_pretrained(tiny_llama), None)
    trainer = trainer_of(kind, tiny_llama, tmp_path, rewards)
    with pytest.raises(DiagnosticError) as raised:
        trainer.train()
    (found,) = raised.value.diagnostics
    assert found.code.id == code
    assert "data/q.jsonl:" in found.message
    assert "what is" in found.message
