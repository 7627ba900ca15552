"""A reward model as judge: its numbers are those of the model, and an unsuitable one is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.rewards import build_rewards
from recipe_runner.plan import RewardPlan
from tests.runs.rewards.conftest import Planned, classifier
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

QUESTIONS = ["what is 2 + 2", "hello", "what is the quick brown fox"]
ANSWERS = ["4", "hello there, what is your question", "no"]


def judge_of(planned: Planned, folder: Path, batch_size: int = 2) -> Any:
    from transformers import AutoTokenizer

    options = {"model": str(folder), "batch_size": batch_size}
    plan = planned(RewardPlan("model", "judge", options=options), judges={0: folder})
    (judge,) = build_rewards(plan, AutoTokenizer.from_pretrained(folder), None)
    return judge


def chat(role: str, texts: list[str]) -> list[list[dict[str, str]]]:
    return [[{"role": role, "content": text}] for text in texts]


def alone(folder: Path, ids: list[int]) -> float:
    """What the model says of one sequence, without padding."""
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return float(model(input_ids=torch.tensor([ids])).logits[0, 0])


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_conversations_go_through_the_judges_own_template(
    batch_size: int, reward_model: Path, planned: Planned
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(reward_model)
    prompts, answers = chat("user", QUESTIONS), chat("assistant", ANSWERS)
    expected = [
        alone(
            reward_model,
            tokenizer(
                f"<|im_start|>user\n{question}<|im_end|>\n"
                f"<|im_start|>assistant\n{answer}<|im_end|>\n"
            )["input_ids"],
        )
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True)
    ]
    found = judge_of(planned, reward_model, batch_size)(prompts, answers)
    assert found == pytest.approx(expected, abs=1e-5)
    assert len({round(each, 4) for each in found}) == 3


def test_template_has_the_variables_of_the_recipe_and_of_the_row(
    reward_model: Path, planned: Planned, tmp_path: Path
) -> None:
    import shutil
    from dataclasses import replace

    from transformers import AutoTokenizer

    folder = tmp_path / "judge"
    shutil.copytree(reward_model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{{ mode }} {{ date }}{% for m in messages %} {{ m.role }} {{ m.content }}{% endfor %}"
    )
    tokenizer.save_pretrained(folder)
    plan = planned(
        RewardPlan("model", "judge", options={"model": str(folder), "batch_size": 2}),
        judges={0: folder},
    )
    variables = {"mode": "brief", "date": "2024"}
    plan = replace(plan, tokenizer=replace(plan.tokenizer, chat_template_kwargs=variables))
    (judge,) = build_rewards(plan, tokenizer, None)
    asked, said = chat("user", ["hello"] * 2), chat("assistant", ["no"] * 2)
    found = judge(asked, said, chat_template_kwargs=[{}, {"mode": "long"}])
    expected = [
        alone(folder, tokenizer(f"{mode} 2024 user hello assistant no")["input_ids"])
        for mode in ("brief", "long")
    ]
    assert found == pytest.approx(expected, abs=1e-5)
    assert abs(found[0] - found[1]) > 1e-4


def test_texts_are_read_as_a_reward_trainer_trains_on_them(
    reward_model: Path, planned: Planned
) -> None:
    """TRL's trainer puts the end token behind an answer that is a text; so does the judge."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(reward_model)
    expected = [
        alone(reward_model, tokenizer(question + answer + tokenizer.eos_token)["input_ids"])
        for question, answer in zip(QUESTIONS, ANSWERS, strict=True)
    ]
    found = judge_of(planned, reward_model)(QUESTIONS, ANSWERS)
    assert found == pytest.approx(expected, abs=1e-5)


def refused(call: Any, *arguments: Any) -> Diagnostic:
    with pytest.raises(DiagnosticError) as raised:
        call(*arguments)
    (found,) = raised.value.diagnostics
    return found


def test_judge_with_several_labels_is_refused(planned: Planned, tmp_path: Path) -> None:
    found = refused(judge_of, planned, classifier(tmp_path, num_labels=3))
    assert found.code.id == "RR719"
    assert found.message == f"{tmp_path} has 3 labels, and a reward model has one"


def test_language_model_is_no_judge(planned: Planned, tmp_path: Path) -> None:
    found = refused(judge_of, planned, tiny_model(tmp_path))
    assert found.code.id == "RR719"
    assert "is a LlamaForCausalLM, which has no head that gives one number" in found.message


def test_judge_without_the_weights_of_its_head_is_refused(
    reward_model: Path, planned: Planned, tmp_path: Path
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(reward_model, tmp_path / "judge")
    file = tmp_path / "judge" / "model.safetensors"
    weights = load_file(file)
    del weights["score.weight"]
    save_file(weights, file, metadata={"format": "pt"})
    found = refused(judge_of, planned, tmp_path / "judge")
    assert found.code.id == "RR714"
    assert "score.weight" in found.message


def test_judge_without_a_template_cannot_read_conversations(
    planned: Planned, tmp_path: Path
) -> None:
    judge = judge_of(planned, classifier(tmp_path, chat_template=False))
    assert len(judge(QUESTIONS, ANSWERS)) == 3
    found = refused(judge, chat("user", QUESTIONS), chat("assistant", ANSWERS))
    assert found.code.id == "RR719"
    assert "has no chat template" in found.message


def test_answer_that_is_longer_than_the_judge_reads_ends_the_run(
    reward_model: Path, planned: Planned
) -> None:
    judge = judge_of(planned, reward_model)
    with pytest.raises(DiagnosticError) as raised:
        judge(["0 "], ["1 " * 300], _row=["q.jsonl:7"])
    (found,) = raised.value.diagnostics
    assert found.code.id == "RR719"
    assert "reads 256 tokens, and prompt and answer of q.jsonl:7 have" in found.message


def test_judge_that_gives_nan_ends_the_run(planned: Planned, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = classifier(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["score.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    found = refused(judge_of(planned, folder), QUESTIONS, ANSWERS)
    assert found.code.id == "RR718"
    assert "reward judge gave nan" in found.message
