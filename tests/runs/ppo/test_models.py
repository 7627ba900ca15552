"""Other models and judges than the toy's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.runs.ppo import toy
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs


def test_conversations_are_judged_by_a_reward_model(tmp_path: Path) -> None:
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )
    from trl import GRPOConfig

    from recipe_runner.execute.ppo.trainer import PPOTrainer

    folder = tiny_model(tmp_path / "model")
    judge = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    judge.config._name_or_path = str(folder)
    questions = [[{"role": "user", "content": f"what is {n} + {n}"}] for n in range(8)]
    trainer = PPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder),
        args=GRPOConfig(**toy.arguments(tmp_path, max_steps=2, per_device_train_batch_size=8)),
        processing_class=AutoTokenizer.from_pretrained(folder),
        train_dataset=Dataset.from_dict({"prompt": questions}),
        reward_funcs=[judge],
        **toy.ppo_options(),
    )
    trainer.train()
    judged = trainer._judged
    assert judged.shape == (8, 1)
    assert torch.isfinite(judged).all()
    assert trainer.state.log_history[0]["reward"] == pytest.approx(judged.mean().item(), abs=1e-6)


def test_experts_are_balanced_by_their_own_loss(model: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.save_pretrained(tmp_path / "experts")
    config = AutoConfig.for_model(
        "mixtral",
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=4,
        max_position_embeddings=32,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "experts")
    prompts = [row for row in toy.prompts(2) for _ in range(4)]

    def loss(weight: float) -> tuple[float, float]:
        trainer = toy.trainer(
            "ppo",
            tmp_path / "experts",
            output_dir=str(tmp_path / "out"),
            router_aux_loss_coef=weight,
        )
        trainer.model.train()
        trainer.current_gradient_accumulation_steps = 1
        torch.manual_seed(1)
        batch = trainer._generate_and_score_completions(prompts)
        found = trainer._compute_loss(trainer.model, batch).item()
        return found, trainer._metrics["train"].get("aux_loss", [math.nan])[0]

    without, _ = loss(0.0)
    with_it, balance = loss(0.5)
    assert balance > 0.9  # as many experts as a token has, at best
    assert with_it == pytest.approx(without + 0.5 * balance, abs=1e-5)


def test_weights_for_vllm_do_not_have_the_head(model: Path, tmp_path: Path) -> None:
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    from recipe_runner.execute.ppo.value_head import without_head

    adapter = LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")
    plain = set(AutoModelForCausalLM.from_pretrained(model).state_dict())
    for more in ({}, {"peft_config": adapter}):
        trainer = toy.trainer("ppo", model, output_dir=str(tmp_path), **more)
        named = dict(without_head(_as_vllm_asks(trainer)))
        assert named.keys() == plain


def _as_vllm_asks(trainer: Any) -> Any:
    """Upstream's walk over the weights, without an engine to hand them to."""
    from trl.generation.vllm_generation import VLLMGeneration

    walk = VLLMGeneration.__new__(VLLMGeneration)
    walk.model, walk._dist = trainer.model, trainer._dist
    return walk._iter_named_params()
