"""What the trainer makes of a round of answers, recomputed with plain transformers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.runs.ppo import toy

pytestmark = pytest.mark.runs


def ready(folder: Path, out: Path, **changes: Any) -> Any:
    """A trainer whose policy has moved away from the reference, and whose head is not zero."""
    import torch

    trainer = toy.trainer("ppo", folder, output_dir=str(out), **changes)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in trainer.model.named_parameters():
            if weight.requires_grad:
                spread = 0.3 if "value_head" in name else 0.05
                weight.add_(torch.randn_like(weight) * spread)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def rows(count: int = 8) -> list[dict[str, Any]]:
    """Two prompts, four times each, as the sampler hands them out."""
    prompts = list(toy.prompts(count // 4))
    return [row for row in prompts for _ in range(4)]


def recomputed(trainer: Any, batch: Any) -> tuple[Any, Any, Any]:
    """Log-probabilities, values and reference log-probabilities of the answers, all [B, T]."""
    import torch
    from transformers import AutoModelForCausalLM

    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    start = batch["prompt_ids"].shape[1] - 1

    def told(model: Any) -> tuple[Any, Any]:
        output = model(input_ids=ids, attention_mask=attention, output_hidden_states=True)
        chances = (output.logits / trainer.temperature).log_softmax(-1)[:, start:-1]
        logps = chances.gather(2, batch["completion_ids"][:, :, None]).squeeze(2)
        return logps, output.hidden_states[-1][:, start:-1]

    with torch.no_grad():
        logps, hidden = told(trainer.model)
        linear = trainer.value_head.linear
        values = hidden @ linear.weight[0] + linear.bias
        untouched = AutoModelForCausalLM.from_pretrained(trainer.model.config._name_or_path)
        reference, _ = told(untouched)
    return logps, values, reference


def test_advantages_and_returns_are_those_of_the_equations(model: Path, tmp_path: Path) -> None:
    import torch

    options = {"gamma": 0.9, "lam": 0.7, "whiten_advantages": False, "missing_eos_penalty": 0.25}
    trainer = ready(model, tmp_path, options=options, beta=0.5, temperature=0.8)
    torch.manual_seed(2)
    batch = trainer._generate_and_score_completions(rows())
    logps, values, reference = recomputed(trainer, batch)
    lengths = batch["completion_mask"].sum(1).tolist()
    assert 1 < min(lengths) + 1 < max(lengths) + 1, "some answers end early, some do not"
    texts = trainer.processing_class.batch_decode(batch["completion_ids"], skip_special_tokens=True)
    for n, length in enumerate(lengths):
        ended = batch["completion_ids"][n, length - 1] == trainer.processing_class.eos_token_id
        score = texts[n].count(rows()[n]["digit"]) / toy.LENGTH - (0.0 if ended else 0.25)
        rewards = -0.5 * (logps[n] - reference[n])[:length]
        rewards[-1] += score
        value = values[n, :length].tolist()
        deltas = [
            rewards[t].item() + 0.9 * following - value[t]
            for t, following in enumerate([*value[1:], 0.0])
        ]
        advantages = [
            sum((0.9 * 0.7) ** (k - t) * deltas[k] for k in range(t, length)) for t in range(length)
        ]
        assert batch["advantages"][n, :length].tolist() == pytest.approx(advantages, abs=1e-5)
        returns = [a + v for a, v in zip(advantages, value, strict=True)]
        assert batch["returns"][n, :length].tolist() == pytest.approx(returns, abs=1e-5)
        assert batch["advantages"][n, length:].eq(0).all()
    distance = sum((logps - reference)[n, :length].sum().item() for n, length in enumerate(lengths))
    logged = trainer._metrics["train"]["objective/kl"]
    assert logged == pytest.approx([distance / len(lengths)], abs=1e-5)


def test_loss_is_the_mean_over_tokens_of_its_three_parts(model: Path, tmp_path: Path) -> None:
    import torch

    options = {"vf_coef": 0.3, "cliprange_value": 0.1}
    trainer = ready(model, tmp_path, options=options, entropy_coef=0.02, epsilon=0.1)
    batch = trainer._generate_and_score_completions(rows())
    with torch.no_grad():  # an update has happened since
        for weight in trainer.model.parameters():
            weight.add_(torch.randn_like(weight) * 0.03)
    found = trainer._compute_loss(trainer.model, batch)
    logps, values, _ = recomputed(trainer, batch)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    attention = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    start = batch["prompt_ids"].shape[1] - 1
    with torch.no_grad():
        logits = trainer.model(input_ids=ids, attention_mask=attention).logits[:, start:-1]
    entropy = torch.distributions.Categorical(logits=logits).entropy()
    losses, clipped = [], 0
    for place in batch["completion_mask"].bool().nonzero().tolist():
        at = tuple(place)
        advantage = batch["advantages"][at].item()
        ratio = math.exp(logps[at].item() - batch["old_per_token_logps"][at].item())
        cut = min(max(ratio, 0.9), 1.1)
        policy = -min(ratio * advantage, cut * advantage)
        clipped += cut * advantage < ratio * advantage
        old, target = batch["old_values"][at].item(), batch["returns"][at].item()
        near = min(max(values[at].item(), old - 0.1), old + 0.1)
        value = max((values[at].item() - target) ** 2, (near - target) ** 2) / 2
        losses.append(policy + 0.3 * value - 0.02 * entropy[at].item())
    assert found.item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)
    assert 0 < clipped < len(losses)
    assert trainer._metrics["train"]["clip_fraction"] == pytest.approx([clipped / len(losses)])


@pytest.mark.parametrize("updates", [1, 4], ids=["one update", "four updates"])
def test_splitting_a_round_into_micro_batches_leaves_the_gradient_alone(
    model: Path, tmp_path: Path, updates: int
) -> None:
    import torch
    from trl.trainer.utils import split_tensor_dict

    trainer = ready(model, tmp_path)
    batch = trainer._generate_and_score_completions(rows())

    def mean_gradient(parts: int, updates: int) -> Any:
        trainer.model.zero_grad()
        trainer.args.steps_per_generation = parts
        trainer.current_gradient_accumulation_steps = parts // updates
        for part in split_tensor_dict(batch, parts):
            trainer._compute_loss(trainer.model, part).backward()
        return [p.grad / updates for p in trainer.model.parameters()]

    for whole, apart in zip(mean_gradient(1, 1), mean_gradient(8, updates), strict=True):
        torch.testing.assert_close(whole, apart, rtol=1e-4, atol=1e-6)


def test_value_loss_trains_the_head_and_the_policy(model: Path, tmp_path: Path) -> None:
    trainer = ready(model, tmp_path, options={"vf_coef": 1.0})
    batch = trainer._generate_and_score_completions(rows())
    batch["advantages"] = batch["advantages"] * 0  # the policy loss has no gradient
    trainer._compute_loss(trainer.model, batch).backward()
    gradients = {n: p.grad for n, p in trainer.model.named_parameters()}
    assert gradients["value_head.linear.weight"].abs().max() > 0
    assert gradients["value_head.linear.bias"].abs().max() > 0
    assert gradients["model.layers.0.mlp.up_proj.weight"].abs().max() > 0
    assert gradients["lm_head.weight"].abs().max() == 0


def test_answers_that_nobody_judged_are_not_learned_from(model: Path, tmp_path: Path) -> None:
    import torch

    def only_the_first(completions: list[str], **_: Any) -> list[float | None]:
        return [1.0 if n == 0 else None for n in range(len(completions))]

    trainer = ready(model, tmp_path, reward_funcs=[only_the_first])
    batch = trainer._generate_and_score_completions(rows())
    assert batch["learned"].any(1).tolist() == [True] + [False] * 7
    assert batch["num_items_in_batch"] == batch["completion_mask"][0].sum()
    assert torch.isfinite(trainer._compute_loss(trainer.model, batch))


def test_answers_that_broke_off_can_be_left_out(model: Path, tmp_path: Path) -> None:
    trainer = ready(model, tmp_path, mask_truncated_completions=True)
    batch = trainer._generate_and_score_completions(rows(40))
    ids, tokens = batch["completion_ids"], trainer.processing_class
    # Upstream also takes a drawn padding token for an end.
    ended = (ids == tokens.eos_token_id).any(1) | (ids[:, -1] == tokens.pad_token_id)
    assert batch["learned"].any(1).tolist() == ended.tolist()
    assert 0 < ended.sum() < len(ended)


def test_weight_of_the_distance_follows_the_controller(model: Path, tmp_path: Path) -> None:
    options = {"kl_target": 0.05, "kl_horizon": 400.0}
    trainer = toy.trainer(
        "ppo", model, output_dir=str(tmp_path), options=options, max_steps=20, beta=0.1
    )
    trainer.train()
    logged = [
        (r["kl_coef"], r["objective/kl"]) for r in trainer.state.log_history if "kl_coef" in r
    ]
    assert len(logged) == 10
    coefficient = 0.1
    for found, distance in logged:
        assert found == pytest.approx(coefficient)
        error = min(max(distance / 0.05 - 1, -0.2), 0.2)
        coefficient *= 1 + error * 80 / 400
    assert len({found for found, _ in logged}) > 5
    assert trainer.kl_coef == pytest.approx(coefficient)


def test_target_without_a_reference_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kl_target adapts beta"):
        toy.trainer("ppo", model, output_dir=str(tmp_path), options={"kl_target": 6.0}, beta=0.0)


def test_without_a_weight_there_is_no_reference_and_no_distance(
    model: Path, tmp_path: Path
) -> None:
    trainer = toy.trainer("ppo", model, output_dir=str(tmp_path), max_steps=2, beta=0.0)
    trainer.train()
    assert trainer.ref_model is None
    assert "objective/kl" not in trainer.state.log_history[0]
    assert math.isfinite(trainer.state.log_history[0]["policy_loss"])


def test_evaluation_measures_without_changing_anything(model: Path, tmp_path: Path) -> None:
    trainer = toy.trainer(
        "ppo",
        model,
        output_dir=str(tmp_path),
        options={"kl_target": 0.05},
        max_steps=4,
        per_device_eval_batch_size=20,
        beta=0.1,
    )
    trainer.train()
    before = trainer.kl_coef, trainer._step, trainer._buffered_inputs
    measured = trainer.evaluate()
    assert (trainer.kl_coef, trainer._step, trainer._buffered_inputs) == before
    assert 0 <= measured["eval_reward"] <= 1
    for name in ("loss", "objective/kl", "policy_loss", "value_loss", "entropy"):
        assert math.isfinite(measured[f"eval_{name}"]), name


def test_log_has_what_a_round_was_like(model: Path, tmp_path: Path) -> None:
    trainer = toy.trainer("ppo", model, output_dir=str(tmp_path), max_steps=2)
    trainer.train()
    first, second = (r for r in trainer.state.log_history if "loss" in r)
    assert {
        "reward",
        "objective/kl",
        "kl_coef",
        "value/explained_variance",
        "completions/mean_length",
        "policy_loss",
        "value_loss",
        "clip_fraction",
        "value/clip_fraction",
        "entropy",
    } <= first.keys()
    assert "reward" not in second, "the second epoch has the same answers"
    assert "policy_loss" in second
    assert first["objective/kl"] == pytest.approx(0, abs=1e-6)
    assert first["clip_fraction"] == 0
    # Nearly all thirteen tokens are alike to a random model.
    assert first["entropy"] == pytest.approx(math.log(13), abs=0.05)


def test_logged_parts_add_up_to_the_logged_loss(model: Path, tmp_path: Path) -> None:
    trainer = toy.trainer(
        "ppo",
        model,
        output_dir=str(tmp_path),
        options={"vf_coef": 0.25},
        max_steps=6,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=4,
        entropy_coef=0.01,
    )
    trainer.train()
    logs = [row for row in trainer.state.log_history if "loss" in row]
    assert len(logs) == 6
    for row in logs:
        parts = row["policy_loss"] + 0.25 * row["value_loss"] - 0.01 * row["entropy"]
        assert row["loss"] == pytest.approx(parts, abs=1e-6)


def test_head_learns_at_its_own_rate(model: Path, tmp_path: Path) -> None:
    trainer = toy.trainer(
        "ppo",
        model,
        output_dir=str(tmp_path),
        options={"value_learning_rate": 0.5},
        learning_rate=0.25,
        max_steps=4,
        lr_scheduler_type="linear",
    )
    optimizer = trainer.create_optimizer()
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in trained} == {id(p) for p in trainer.model.parameters()}
    assert len(trained) == len(list(trainer.model.parameters()))
    head = {id(p) for p in trainer.value_head.parameters()}
    rates = {g["lr"] for g in optimizer.param_groups if head & {id(p) for p in g["params"]}}
    assert rates == {0.5}


def test_checkpointed_activations_give_the_same_gradients(model: Path, tmp_path: Path) -> None:
    import torch

    def gradients(checkpointing: bool) -> list[Any]:
        trainer = ready(model, tmp_path, gradient_checkpointing=checkpointing)
        torch.manual_seed(5)
        batch = trainer._generate_and_score_completions(rows())
        if checkpointing:
            trainer.model.gradient_checkpointing_enable()
        trainer._compute_loss(trainer.model, batch).backward()
        return [p.grad for p in trainer.model.parameters()]

    for plain, again in zip(gradients(False), gradients(True), strict=True):
        torch.testing.assert_close(plain, again)
