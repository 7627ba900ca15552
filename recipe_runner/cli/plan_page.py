"""A plan for a person: one page of plain text, and the table of reasons."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recipe_runner.cli.layout import (
    Line,
    counted,
    labelled,
    number,
    options,
    paint,
    short_path,
    value_text,
)
from recipe_runner.cli.plan_cost import cost_lines
from recipe_runner.cli.plan_data import data_lines
from recipe_runner.cli.plan_optimizer import chosen_words, group_lines, optimizer_words
from recipe_runner.cli.plan_parameters import base_words, trained_words
from recipe_runner.cli.plan_speed import speed_lines
from recipe_runner.cli.screen import visible
from recipe_runner.plan import Call, Derived, Plan
from recipe_runner.plan.joined import joins_rows
from recipe_runner.plan.recomputed import layers_words


def page(plan: Plan, *, width: int, color: bool = False) -> str:
    """The whole plan, `width` columns wide."""
    sections: list[tuple[str, Iterable[Line]]] = [
        ("Model", _model(plan)),
        ("Data", data_lines(plan)),
        ("Training", training_lines(plan)),
        ("Speed", speed_lines(plan.speed)),
        *([("Cost", cost_lines(plan, plan.cost))] if plan.cost is not None else []),
        ("Launch", _launch(plan)),
        ("Files", _files(plan)),
    ]
    title = f"{plan.name}: {plan.algorithm} on {short_path(plan.model.name_or_path)}"
    blocks = [paint(visible(title), "bold", color) + "\n"]
    for name, lines in sections:
        blocks.append(f"{paint(name, 'bold', color)}\n{labelled(lines, width, color)}")
    return "\n".join(blocks)


def reasons(derived: Sequence[Derived], *, width: int, color: bool = False) -> str:
    """What the recipe left open: each value's path, the value and its reason."""
    rows = [(each.path, visible(_decided(each.value)), visible(each.because)) for each in derived]
    first = max((len(path) for path, _, _ in rows), default=0)
    second = min(max((len(value) for _, value, _ in rows), default=0), 16)
    left = first + second + 4
    if width - left < 24:
        return _stacked(rows, width, color)
    text = paint(f"{'Decided':<{first}}  {'Value':<{second}}  Because", "bold", color) + "\n"
    for path, value, because in rows:
        values = textwrap.wrap(value, second) or [""]
        whys = textwrap.wrap(because, width - left) or [""]
        for i in range(max(len(values), len(whys))):
            cells = (
                path if i == 0 else "",
                values[i] if i < len(values) else "",
                whys[i] if i < len(whys) else "",
            )
            text += f"{cells[0]:<{first}}  {cells[1]:<{second}}  {cells[2]}".rstrip() + "\n"
    return text


def _stacked(rows: Iterable[tuple[str, str, str]], width: int, color: bool) -> str:
    text = paint("Decided", "bold", color) + "\n"
    for path, value, because in rows:
        text += f"  {path} = {value}\n"
        text += textwrap.fill(because, width, initial_indent="    ", subsequent_indent="    ")
        text += "\n"
    return text


def _model(plan: Plan) -> Iterator[Line]:
    model, load = plan.model, plan.model.load
    how = "random weights" if model.random_init else "a folder" if model.local else "from the hub"
    if load.get("revision"):
        how += f", revision {load['revision']}"
    yield "model", f"{short_path(model.name_or_path)} ({how}), {load['dtype']}"
    if load.get("attn_implementation"):
        how = str(load["attn_implementation"])
        alone = "; rows that share a sequence do not see each other"
        yield "attention", how + (alone if joins_rows(plan) else "")
    if model.config_overrides:
        yield "config", options(model.config_overrides)
    if plan.quantization is not None:
        yield "quantization", _call(plan.quantization, numbers=True)
    if model.adapter is not None:
        what = "merged into the base" if model.adapter.merge else "frozen, beneath the adapter"
        yield "with", f"{short_path(model.adapter.path)}, {what}"
    if plan.adapter is None:
        yield "adapter", "none, the model trains in full"
    else:
        yield "adapter", _call(plan.adapter, numbers=True)
    if plan.adapter_start is not None and plan.adapter_start.weights is not None:
        yield "begins as", f"{short_path(plan.adapter_start.weights)}, which is trained further"
    if plan.parameters is not None:
        yield "trains", trained_words(plan.parameters)
        if plan.parameters.base_bytes is not None:
            yield "base", base_words(plan.parameters)
    if model.sees:
        yield "images", _vision(plan)
    if (chosen := chosen_words(model)) is not None:
        yield "trains only", chosen
    tokenizer = plan.tokenizer
    own = tokenizer.name_or_path == model.name_or_path
    template = tokenizer.chat_template_source
    yield (
        "tokenizer",
        f"{'the model' + chr(39) + 's own' if own else short_path(tokenizer.name_or_path)}, "
        f"chat template: {'its own' if template == 'tokenizer' else template}",
    )
    added = {**tokenizer.special_tokens, **{f"+{token}": True for token in tokenizer.add_tokens}}
    if added:
        yield "tokens", options(added)


def _vision(plan: Plan) -> str:
    """What becomes of the layers that see."""
    adapter = plan.adapter
    if adapter is None:
        trains = "trains in full" if not plan.model.freeze else "trains but for what is frozen"
        return f"read by the model's own processor; the vision part {trains}"
    everywhere = adapter.arguments.get("target_modules") == "all-linear"
    if everywhere and not adapter.arguments.get("exclude_modules"):
        return (
            "read by the model's own processor; all-linear adapts the vision part too, "
            "`adapter.exclude_modules` leaves it out"
        )
    return "read by the model's own processor; the adapter is on the layers that it names"


def training_lines(plan: Plan) -> Iterator[Line]:
    """How it trains: batch, steps, schedule, precision, evaluation, checkpoints."""
    steps, arguments = plan.steps, plan.arguments.arguments
    unit = "pack" if plan.data.packing else "sequence"
    yield (
        "batch",
        f"{counted(steps.global_batch_size, unit)} per step = {steps.per_device} per process "
        f"x {steps.accumulation} accumulation x {counted(steps.processes, 'process', 'es')}",
    )
    yield "steps", _steps(plan)
    warmup, rate = arguments["warmup_steps"], number(arguments["learning_rate"])
    rise = f"{warmup:.0%} of the steps" if 0 < warmup < 1 else counted(int(warmup), "step")
    yield (
        "schedule",
        f"{arguments['lr_scheduler_type']}, "
        + (f"peak {rate} after {rise} of warm-up" if warmup else f"{rate}, no warm-up"),
    )
    yield "optimizer", optimizer_words(plan)
    yield from group_lines(plan)
    yield "precision", _precision(plan)
    yield "evaluation", _when(arguments, "eval", "never")
    keep = arguments["save_total_limit"]
    kept = "all are kept" if keep is None else f"the last {keep} are kept"
    best = f", ends with the best {arguments['metric_for_best_model']}"
    saving = _when(arguments, "save", "never")
    yield (
        "checkpoints",
        saving
        + ("" if saving == "never" else f", {kept}")
        + (best if arguments["load_best_model_at_end"] else ""),
    )
    yield from _monitor(plan)
    tracked = arguments["report_to"]
    names = "none" if tracked == "none" else ", ".join(tracked)
    yield "trackers", f"{names}; metrics.jsonl in any case"
    if arguments.get("push_to_hub"):
        kind = "private" if arguments["hub_private_repo"] else "public"
        yield "upload", f"{arguments['hub_model_id']} ({kind}), {arguments['hub_strategy']}"
    yield "trainer", plan.trainer.target
    yield "arguments", f"{_call(plan.arguments, _TOLD)} (all of them: --json)"


_TOLD = frozenset(
    {
        "activation_checkpointing",
        "activation_checkpointing_kwargs",
        "bf16",
        "bf16_full_eval",
        "data_seed",
        "disable_tqdm",
        "eval_steps",
        "eval_strategy",
        "fp16",
        "gradient_accumulation_steps",
        "greater_is_better",
        "hub_model_id",
        "hub_private_repo",
        "hub_strategy",
        "learning_rate",
        "load_best_model_at_end",
        "lr_scheduler_type",
        "max_grad_norm",
        "max_length",
        "max_steps",
        "metric_for_best_model",
        "num_train_epochs",
        "optim",
        "output_dir",
        "packing",
        "packing_strategy",
        "per_device_train_batch_size",
        "push_to_hub",
        "report_to",
        "save_steps",
        "save_strategy",
        "save_total_limit",
        "seed",
        "truncation_mode",
        "use_cpu",
        "warmup_steps",
        "weight_decay",
    }
)
"""Arguments that the lines above already tell, or that say nothing about the run."""


def _steps(plan: Plan) -> str:
    steps, arguments = plan.steps, plan.arguments.arguments
    stated = arguments["max_steps"] > 0
    if steps.total is None:
        epochs = arguments["num_train_epochs"]
        return f"{epochs:g} epochs; how many steps is known when the rows are prepared"
    if stated or steps.per_epoch is None:
        part = f" = {steps.total / steps.per_epoch:.3g} epochs" if steps.per_epoch else ""
        return f"{steps.total:,} (max_steps){part}"
    epochs = arguments["num_train_epochs"]
    # Rows that the run leaves out are not known yet.
    loses = plan.data.overlong == "drop" or any(
        "drop" in asdict(s.on_bad_row).values() for s in plan.data.train
    )
    most = "at most " if loses else ""
    return f"{most}{steps.total:,} = {epochs:g} epochs x {counted(steps.per_epoch, 'step')}"


def _precision(plan: Plan) -> str:
    arguments = plan.arguments.arguments
    how = plan.launch.mixed_precision
    text = "float32" if how == "no" else f"{how} mixed"
    if arguments["activation_checkpointing"]:
        text += f", {layers_words(arguments.get('activation_checkpointing_kwargs') or {})}"
    return text


def _when(arguments: Mapping[str, Any], what: str, never: str) -> str:
    strategy = arguments[f"{what}_strategy"]
    if strategy == "no":
        return never
    if strategy == "epoch":
        return "every epoch"
    interval = arguments[f"{what}_steps"]
    if interval is None:
        return "every so many steps"
    if interval < 1:
        return f"every {interval:.0%} of the run"
    return "every step" if interval == 1 else f"every {interval:,} steps"


def _monitor(plan: Plan) -> Iterator[Line]:
    monitor = plan.monitor
    if monitor.early_stopping_patience is not None:
        count = counted(monitor.early_stopping_patience, "evaluation")
        yield "stops early", f"after {count} without improvement"
    if monitor.loss_watchdog_threshold is not None:
        yield (
            "watchdog",
            f"stops where {monitor.loss_watchdog_patience} logged losses in a row are above "
            f"{monitor.loss_watchdog_threshold:g}",
        )
    if monitor.score is not None:
        yield (
            "score",
            f"exact match on up to {counted(monitor.score.rows, 'evaluation row')}, before and after",
        )


def _launch(plan: Plan) -> Iterator[Line]:
    launch, machine = plan.launch, plan.machine
    memory = f"{machine.memory_gib:g} GiB" + (" each" if machine.accelerators > 1 else "")
    devices = f"{machine.accelerators} x {machine.kind}" if machine.accelerators else "CPU"
    yield "machine", f"{machine.source}: {devices}, {memory}, {counted(machine.cpus, 'core')}"
    machines = f" on {launch.num_machines} machines" if launch.num_machines > 1 else ""
    yield (
        "processes",
        f"{counted(launch.num_processes, 'process', 'es')}{machines} ({launch.strategy})",
    )
    if launch.num_processes > 1:
        yield "command", shlex.join(launch.command)
    if launch.accelerate_config is not None:
        yield "accelerate", options(launch.accelerate_config)
    yield "environment", " ".join(f"{name}={text}" for name, text in launch.environment.items())
    if plan.requires:
        yield "packages", ", ".join(f"{r.package} ({r.because})" for r in plan.requires)


def _files(plan: Plan) -> Iterator[Line]:
    yield "directory", short_path(plan.outputs.run_dir)
    yield "", ", ".join(file.path for file in plan.outputs.files)


def _call(call: Call, told: frozenset[str] = frozenset(), *, numbers: bool = False) -> str:
    """The class and what differs from its upstream defaults, without what is `told` elsewhere.

    With `numbers`, sizes and scales are told in any case: a reader looks for the rank of an
    adapter, whether or not it is the usual one.
    """
    from recipe_runner import upstream

    known = upstream.fields(call.target) if call.target in upstream.targets() else {}
    shown = {
        name: value
        for name, value in call.arguments.items()
        if name not in told
        and (
            name not in known
            or (value or None) != (known[name].default or None)
            or (numbers and bool(value) and type(value) in (int, float))
        )
    }
    told_of = {name: _shown(value) for name, value in shown.items()}
    return f"{call.target.partition(':')[2]}: {options(told_of) or 'upstream defaults'}"


def _shown(value: Any) -> Any:
    """An argument; one that is an object itself by its class and its arguments."""
    return f"({_call(value)})" if isinstance(value, Call) else value


def _decided(value: Any) -> str:
    """A decided value; of a component only its name, as its options are in the JSON."""
    return (
        str(value["type"]) if isinstance(value, Mapping) and "type" in value else value_text(value)
    )
