"""Puts model, tokenizer, data and callbacks together into the plan's trainer.

Nothing is added to the training loop beyond callbacks that do no work on the device
between logging steps: losses and speed are those of a plain TRL script.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipe_runner.execute.build import arguments_of, build, class_of
from recipe_runner.plan import Plan


def training_arguments(plan: Plan, checkpoints: Path) -> Any:
    """The trainer's configuration, with what `execute` takes into its own hands."""
    given = arguments_of(plan.arguments)
    packs = bool(given.get("packing") or given.get("eval_packing"))
    ours: dict[str, Any] = {
        "output_dir": str(checkpoints),
        # Rows arrive tokenized and labelled; TRL's own preparation would only walk them again.
        # Packing is the one part of it that is left to do.
        "dataset_kwargs": {"skip_prepare_dataset": not packs},
        # The filter writes an older loss into the log in place of nan, and costs two
        # synchronisations with the device per micro-step.
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        # Old checkpoints are deleted by `callbacks/saving.py`, once the newer one is whole.
        "save_total_limit": None,
        # A checkpoint of an interrupted run holds the control that says "stop".
        "restore_callback_states_from_checkpoint": False,
    }
    return class_of(plan.arguments.target)(**{**given, **ours})


def build_trainer(
    plan: Plan,
    *,
    arguments: Any,
    model: Any,
    tokenizer: Any,
    train: Any,
    evaluation: Any,
    callbacks: list[Any],
) -> Any:
    """The trainer; TRL seeds, attaches the adapter and seeds again, as it does on its own."""
    from transformers.trainer_callback import PrinterCallback

    adapter = None if plan.adapter is None else build(plan.adapter)
    trainer = class_of(plan.trainer.target)(
        **{
            **arguments_of(plan.trainer),
            "model": model,
            "args": arguments,
            "processing_class": tokenizer,
            "train_dataset": train,
            "eval_dataset": evaluation,
            "peft_config": adapter,
            "callbacks": callbacks,
        }
    )
    # It prints every logged row; the console and `metrics.jsonl` have them.
    trainer.remove_callback(PrinterCallback)
    return trainer
