"""Puts model, tokenizer, data and callbacks together into the plan's trainer.

Nothing is added to the training loop beyond callbacks that do no work on the device
between logging steps: losses are those of a plain TRL script. Batches are made by our own
collator, from slices of mapped files, and the trainer is the plan's, but where tokens have
weights: then it is `sft.trainer.WeightedSFTTrainer`, a subclass.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipe_runner.execute.build import arguments_of, build, class_of
from recipe_runner.execute.data.build import is_weighted
from recipe_runner.execute.sft.collator import Collator
from recipe_runner.plan import Plan
from recipe_runner.plan.joined import joins_rows


def training_arguments(plan: Plan, checkpoints: Path) -> Any:
    """The trainer's configuration, with what `execute` takes into its own hands."""
    given = arguments_of(plan.arguments)
    ours: dict[str, Any] = {
        "output_dir": str(checkpoints),
        # Rows arrive tokenized, labelled and packed; TRL's own preparation would only walk
        # them again.
        "dataset_kwargs": {"skip_prepare_dataset": True},
        # Our collator joins rows. TRL's would want to do it itself, and to be told nothing
        # of lengths.
        "padding_free": False,
        # What a sequence has besides tokens is for the collator, and not for the model.
        "remove_unused_columns": False,
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


def trainer_class(plan: Plan) -> Any:
    """The plan's trainer, or ours on top of it where tokens have weights."""
    if not is_weighted(plan.data):
        return class_of(plan.trainer.target)
    from recipe_runner.execute.sft.trainer import WeightedSFTTrainer

    return WeightedSFTTrainer


def collator_of(plan: Plan, tokenizer: Any) -> Collator:
    """What makes batches of the plan's sequences: padded, or joined into one row."""
    return Collator(
        pad_token_id=tokenizer.pad_token_id,
        joined=joins_rows(plan),
        pad_to_multiple_of=plan.arguments.arguments.get("pad_to_multiple_of"),
    )


def build_trainer(
    plan: Plan,
    *,
    arguments: Any,
    model: Any,
    tokenizer: Any,
    train: Any,
    evaluation: Any,
    callbacks: list[Any],
    collator: Any = None,
) -> Any:
    """The trainer; TRL seeds, attaches the adapter and seeds again, as it does on its own.

    `collator` makes the batches, None for that of texts.
    """
    from transformers.trainer_callback import PrinterCallback

    adapter = None if plan.adapter is None else build(plan.adapter)
    trainer = trainer_class(plan)(
        **{
            **arguments_of(plan.trainer),
            "model": model,
            "args": arguments,
            "processing_class": tokenizer,
            "data_collator": collator or collator_of(plan, tokenizer),
            "train_dataset": train,
            "eval_dataset": evaluation,
            "peft_config": adapter,
            "callbacks": callbacks,
        }
    )
    # It prints every logged row; the console and `metrics.jsonl` have them.
    trainer.remove_callback(PrinterCallback)
    return trainer
