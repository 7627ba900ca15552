"""One of two processes that train a judge together; rank 0 writes what was logged.

`torchrun --nproc_per_node 2 -m tests.runs.prm.two_processes MODEL FOLDER`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.runs.prm.judges import judge_of, logged, rows, trainer_of


def main(model: Path, folder: Path) -> None:
    """Take a step of all rows that changes nothing, and evaluate on an odd number of them."""
    trainer = trainer_of(
        folder,
        judge_of(model),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        per_device_eval_batch_size=2,
        learning_rate=0.0,
        max_steps=1,
        ddp_backend="gloo",
    )
    # transformers 5.23 does not wrap the model for training once it has evaluated.
    trainer.train()
    odd = trainer.evaluate(trainer.eval_dataset.select(range(len(rows()) - 1)))
    if trainer.accelerator.is_main_process:
        processes = trainer.accelerator.num_processes
        found = {"train": logged(trainer)[0], "eval": odd, "processes": processes}
        (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
