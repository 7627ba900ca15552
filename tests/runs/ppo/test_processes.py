"""Two processes learn as one does that has the answers of both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.runs.ppo import toy

pytestmark = [pytest.mark.runs, pytest.mark.slow]


def test_two_processes_learn_together(model: Path, tmp_path: Path) -> None:
    import torch

    from recipe_runner.execute.ppo.advantages import generalized_advantages, token_rewards

    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "-m", "tests.runs.ppo.two_processes"]
    done = subprocess.run(
        [*command, str(model), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    first, second = (json.loads((tmp_path / f"shown_{n}.json").read_text()) for n in (0, 1))
    assert first["own_answers"] != second["own_answers"]
    assert first["head"] == second["head"] != [[0.0] * 32]
    assert first["kl_coef"] == second["kl_coef"] != 0.01
    assert first["log"] == second["log"] == first["resumed"] == second["resumed"]

    state = torch.load(tmp_path / "state.pt", weights_only=True)
    batch = state["batch"]
    tokens = toy.tokenizer(tmp_path)
    prompts, answers = (tokens.batch_decode(batch[f"{n}_ids"]) for n in ("prompt", "completion"))
    scores = toy.share_of_digit(answers, [prompt[0] for prompt in prompts])
    kl = batch["old_per_token_logps"] - batch["ref_per_token_logps"]
    rewards = token_rewards(torch.tensor(scores), kl, batch["learned"], state["kl_coef"])
    advantages = generalized_advantages(
        rewards, batch["old_values"], batch["learned"], gamma=1.0, lam=0.95
    )
    torch.testing.assert_close(batch["returns"], advantages + batch["old_values"])
    learned = batch["advantages"][batch["learned"]]
    assert len(batch["completion_ids"]) == 32
    assert batch["num_items_in_batch"] == 32 * toy.LENGTH
    torch.testing.assert_close(learned.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(learned.var(correction=0), torch.tensor(1.0), atol=1e-4, rtol=0)

    alone = toy.trainer("ppo", model, output_dir=str(tmp_path / "alone"))
    alone.model.load_state_dict(state["policy"])
    alone.model.train()
    alone.args.steps_per_generation = alone.current_gradient_accumulation_steps = 1
    alone._compute_loss(alone.model, batch).backward()
    for name, weight in alone.model.named_parameters():
        torch.testing.assert_close(weight.grad, state["gradients"][name], msg=name)
