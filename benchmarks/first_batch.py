"""From the start of a process to the first batch of prepared data, as one JSON line.

`python -m benchmarks.first_batch RECIPE STARTED [trainer]`: a process of its own, run by
`benchmarks.scale`. STARTED is when it was started, in seconds since the epoch. The batch
comes from a data loader with the collator of the trainer; with `trainer`, from the trainer
itself, for which TRL is imported and the model is loaded.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main(recipe: str, started: str, what: str = "loader") -> None:
    """Print the seconds of each stage, and of all of them."""
    # As the command does while it imports.
    gc.disable()
    stages: dict[str, float] = {}
    begun = float(started)

    def done(stage: str) -> None:
        nonlocal begun
        now = time.time()
        stages[stage], begun = now - begun, now

    from recipe_runner.diagnostics import DiagnosticError
    from recipe_runner.execute.probe import this_machine
    from recipe_runner.pipeline import compile_file

    compiled = compile_file(recipe, this_machine())
    if compiled.plan is None:
        raise DiagnosticError(*compiled.report)
    plan = compiled.plan
    done("plan")
    from recipe_runner.execute.data.stage import prepare_alone

    ensured = prepare_alone(plan, progress=None, told=None)
    done("cache")
    import torch  # noqa: F401

    done("torch")
    from recipe_runner.execute.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(plan.tokenizer)
    done("tokenizer")
    from recipe_runner.execute.data.packed import training_sequences

    rows = training_sequences(plan, ensured.entry.folder)
    done("rows")
    loader = (
        _trainer(plan, tokenizer, rows) if what == "trainer" else _loader(plan, tokenizer, rows)
    )
    batch = next(iter(loader))
    done("batch")
    told = {"cached": ensured.cached, "rows": len(rows), "shape": list(batch["input_ids"].shape)}
    print("\n" + json.dumps({**told, "stages": stages, "seconds": sum(stages.values())}))


def _loader(plan: Any, tokenizer: Any, rows: Any) -> Any:
    from torch.utils.data import DataLoader

    from recipe_runner.execute.feeds import batches_of

    collator = batches_of(plan, tokenizer)
    return DataLoader(rows, batch_size=plan.steps.per_device, shuffle=True, collate_fn=collator)


def _trainer(plan: Any, tokenizer: Any, rows: Any) -> Any:
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.trainer import build_trainer, training_arguments

    folder = Path(tempfile.mkdtemp())
    trainer = build_trainer(
        plan,
        arguments=training_arguments(plan, folder),
        model=load_model(plan, tokenizer),
        tokenizer=tokenizer,
        train=rows,
        evaluation=None,
        callbacks=[],
    )
    return trainer.get_train_dataloader()


if __name__ == "__main__":
    main(*sys.argv[1:])
