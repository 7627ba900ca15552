"""What each of two processes does for `test_processes.py`: train, resume, and show a gradient."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.runs.ppo import toy

OPTIONS = {"kl_target": 0.05, "kl_horizon": 400.0}


def build(model: Path, out: Path) -> Any:
    """A run of four steps in rounds of two; every answer has four tokens."""
    return toy.trainer(
        "ppo",
        model,
        options=OPTIONS,
        output_dir=str(out),
        per_device_train_batch_size=8,
        gradient_accumulation_steps=2,
        generation_kwargs={"min_new_tokens": toy.LENGTH},
        max_steps=4,
        save_strategy="steps",
        save_steps=1,
    )


def log_of(trainer: Any) -> list[dict[str, float]]:
    rows = [row for row in trainer.state.log_history if "loss" in row]
    return [{k: v for k, v in row.items() if "time" not in k} for row in rows]


def main(model: Path, out: Path) -> None:
    import torch
    from accelerate.utils import gather
    from torch.nn.parallel import DistributedDataParallel

    whole = build(model, out / "whole")
    whole.train()
    resumed = build(model, out / "resumed")
    resumed.train(resume_from_checkpoint=str(out / "whole" / "checkpoint-3"))

    assert isinstance(whole.model_wrapped, DistributedDataParallel)
    inputs = next(iter(whole.get_train_dataloader()))
    whole.model.train()
    kl_coef = whole.kl_coef
    batch = whole._generate_and_score_completions(inputs)
    whole.args.steps_per_generation = whole.current_gradient_accumulation_steps = 1
    whole.model_wrapped.zero_grad()
    whole._compute_loss(whole.model_wrapped, batch).backward()
    gathered = {name: gather(value) for name, value in batch.items() if value.ndim}
    shown = {
        "log": log_of(whole),
        "resumed": log_of(resumed),
        "kl_coef": whole.kl_coef,
        "head": whole.value_head.linear.weight.tolist(),
        "own_answers": batch["completion_ids"].tolist(),
    }
    rank = whole.args.process_index
    (out / f"shown_{rank}.json").write_text(json.dumps(shown))
    if rank == 0:
        state = {
            "policy": {k: v.clone() for k, v in whole.model.state_dict().items()},
            "gradients": {n: p.grad for n, p in whole.model.named_parameters()},
            "kl_coef": kl_coef,
            "batch": {**gathered, "num_items_in_batch": batch["num_items_in_batch"]},
        }
        torch.save(state, out / "state.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
