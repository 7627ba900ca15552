"""Puts model, tokenizer, data and callbacks together into the plan's trainer.

Nothing is added to the training loop beyond callbacks that do no work on the device
between logging steps, and the levers of `speed`: losses are those of a plain TRL script.
Rows arrive prepared, as `feeds` gives them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from recipe_runner.execute.adapters.base import continued
from recipe_runner.execute.adapters.begin import Beginning
from recipe_runner.execute.build import arguments_of, class_of
from recipe_runner.execute.feeds import batches_of, trainer_class
from recipe_runner.execute.optimizers.install import install
from recipe_runner.execute.recomputed import for_trainer, recompute
from recipe_runner.execute.speed.levers import hook
from recipe_runner.execute.start import copies_of
from recipe_runner.plan import Plan


def training_arguments(plan: Plan, checkpoints: Path) -> Any:
    """The trainer's configuration, with what `execute` takes into its own hands."""
    kind = class_of(plan.arguments.target)
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
        **for_trainer(plan),
    }
    if plan.speed.tokens_per_micro_batch is not None:
        # All rows of a step are drawn at once, and shared out by tokens.
        ours["per_device_train_batch_size"] = plan.steps.per_device * plan.steps.accumulation
        ours["gradient_accumulation_steps"] = 1
    known = {each.name for each in fields(kind)}
    given = arguments_of(plan.arguments)
    return kind(**{**given, **{name: value for name, value in ours.items() if name in known}})


@dataclass(frozen=True)
class Company:
    """What a trainer works with beside its model: other models by its argument, and judges."""

    models: dict[str, Any] = field(default_factory=dict)
    rewards: list[Any] = field(default_factory=list)


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
    company: Company | None = None,
    beginning: Beginning | None = None,
) -> Any:
    """The trainer; TRL seeds, attaches the adapter and seeds again, as it does on its own.

    `collator` makes the batches, None for that of texts. `beginning` is that of the adapter,
    for who wants to know of it.
    """
    from transformers.trainer_callback import PrinterCallback

    from recipe_runner.execute.adapters.schedule import RankSchedule

    kind = trainer_class(plan)
    takes = inspect.signature(kind.__init__).parameters
    company = company or Company()
    recompute(model, plan)
    given: dict[str, Any] = {
        **arguments_of(plan.trainer),
        **company.models,
        "model": model,
        "args": arguments,
        "processing_class": tokenizer,
        "train_dataset": train,
        "eval_dataset": evaluation,
        "callbacks": callbacks,
    }
    if beginning is None and plan.adapter is not None:
        beginning = Beginning(plan, model, tokenizer, train)
    adapter = None
    if beginning is not None and beginning.continues:
        # TRL takes a frozen copy of an adapter that is there for the model at the beginning.
        given["model"] = continued(model, plan)
    elif beginning is not None:
        adapter = beginning.config()
        attach = hook(plan, "attach")
        attached = attach(plan, model, adapter) if attach is not None else None
        if attached is not None:
            given["model"], adapter = attached, None
    if "peft_config" in takes or _passes_on(takes):
        given["peft_config"] = adapter
    elif adapter is not None:
        given["model"] = _adapted(plan, model, adapter)
    if company.rewards:
        given["reward_funcs"] = company.rewards
    if "data_collator" in takes and plan.feed != "prompts":
        given["data_collator"] = collator or batches_of(plan, tokenizer)
    with copies_of(model, kind, plan.model.load):
        trainer = kind(**given)
    if beginning is not None:
        beginning.attached(trainer.accelerator.unwrap_model(trainer.model))
        trainer.add_callback(RankSchedule())
    install(trainer, plan)
    # It prints every logged row; the console and `metrics.jsonl` have them.
    trainer.remove_callback(PrinterCallback)
    return trainer


def _passes_on(takes: Mapping[str, inspect.Parameter]) -> bool:
    """True for a trainer that hands arguments which it does not name to the one it builds on."""
    return any(each.kind is each.VAR_KEYWORD for each in takes.values())


def _adapted(plan: Plan, model: Any, adapter: Any) -> Any:
    """The model with its adapter, for trainers that attach none, after the seed that others set."""
    from peft import get_peft_model
    from transformers import set_seed

    set_seed(plan.seed)
    return get_peft_model(model, adapter)
