"""Trains the same rows padded, grouped, joined and packed, in turn, and prints JSON lines.

`python -m benchmarks.packs MODEL DATA WORK ROWS COMPARED REPEATS SECONDS`: a process of its own,
run by `benchmarks.packing`. Each arm trains one epoch over the first ROWS rows, so all arms see
the same real tokens; making the trainers is not counted. Then each of the first COMPARED documents
is looked at twice, in its pack and alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from benchmarks.assets import MAX_LENGTH
from benchmarks.results import Budget, Options

_SMALL: Mapping[str, Any] = {
    "random_init": True,
    "config_overrides": {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3},
}
"""The model whose losses are compared: what is shown does not depend on its size."""

_RECIPE = """\
recipe: 1
model: {model}
data: {{train: {{path: {data}, limit: {limit}}}, max_length: {max_length}, packing: {packing}}}
algorithm: {{type: sft, padding_free: {padding_free}}}
training:
  per_device_train_batch_size: {batch}
  gradient_accumulation_steps: 1
  num_train_epochs: 1
  learning_rate: 2e-4
  lr_scheduler_type: constant
  activation_checkpointing: false
  train_sampling_strategy: {sampling}
  save_strategy: "no"
launch: {{mixed_precision: "no", use_cpu: true}}
speed: "off"
seed: 42
output_dir: {output}
"""
_PLAIN = {"packing": "null", "padding_free": "false", "sampling": "random", "batch": 8}
OURS: Mapping[str, Mapping[str, Any]] = {
    "padded": _PLAIN,
    "grouped by length": {**_PLAIN, "sampling": "group_by_length"},
    "padding-free": {**_PLAIN, "padding_free": "true"},
    "packed, 1 pack": {**_PLAIN, "packing": "bfd", "batch": 1},
    "packed, 4 packs": {**_PLAIN, "packing": "bfd", "batch": 4},
}
RAW: Mapping[str, Mapping[str, Any]] = {
    "raw TRL, padded": {"per_device_train_batch_size": 8},
    "raw TRL, packed (bfd), 1 pack": {"packing": True, "per_device_train_batch_size": 1},
    "raw TRL, packed (bfd), 4 packs": {"packing": True, "per_device_train_batch_size": 4},
}


class Clock(TrainerCallback):
    """Seconds of training, without what comes before and after."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.wall = time.perf_counter() - self.wall
        self.cpu = time.process_time() - self.cpu


def main(model: str, data: str, work: str, rows: int, compared: int, options: Options) -> None:
    """Print a line per run, then one for the losses."""
    from recipe_runner.execute.environment import hush

    hush()
    jobs: dict[str, Callable[[], Iterator[Any]]] = {}
    for name, more in RAW.items():
        jobs[name] = lambda more=more: _raw(model, data, work, rows, more)  # type: ignore[misc]
    for name, more in OURS.items():
        jobs[name] = lambda more=more: _ours(model, data, work, rows, more)  # type: ignore[misc]
    for repeat in Budget(options).turns():
        for name, job in jobs.items():
            print(json.dumps({"arm": name, "repeat": repeat, **_timed(job)}), flush=True)
    plan = _plan(model, data, work, compared, OURS["packed, 4 packs"], _SMALL)
    print(json.dumps(_compare(plan)), flush=True)


def _timed(job: Callable[[], Iterator[Any]]) -> dict[str, Any]:
    clock = Clock()
    [trainer] = job()
    trainer.add_callback(clock)
    trainer.train()
    [tokens] = [row["num_tokens"] for row in trainer.state.log_history if "num_tokens" in row][-1:]
    return {
        "steps": trainer.state.global_step,
        "real_tokens": int(tokens),
        "seconds": clock.wall,
        "cpu_seconds": clock.cpu,
    }


def _plan(
    model: str,
    data: str,
    work: str,
    limit: int,
    options: Mapping[str, Any],
    small: Mapping[str, Any] | None = None,
) -> Any:
    from recipe_runner.compiler.machine import machine
    from recipe_runner.pipeline import compile_text

    text = _RECIPE.format(
        model=json.dumps({"name_or_path": model, "dtype": "float32", **(small or {})}),
        data=json.dumps(data),
        limit=limit,
        max_length=MAX_LENGTH,
        output=json.dumps(f"{work}/run"),
        **options,
    )
    compiled = compile_text(text, "recipe.yaml", machine("cpu"), cwd=Path(work))
    assert compiled.plan is not None, [found.message for found in compiled.report]
    return compiled.plan


def _ours(model: str, data: str, work: str, rows: int, options: Mapping[str, Any]) -> Iterator[Any]:
    from recipe_runner.execute.data.packed import training_sequences
    from recipe_runner.execute.data.prepare import prepare
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.execute.trainer import build_trainer, training_arguments

    plan = _plan(model, data, work, rows, options)
    arguments = training_arguments(plan, Path(work) / "checkpoints")
    tokenizer = load_tokenizer(plan.tokenizer)
    prepared = prepare(plan, tokenizer)
    yield build_trainer(
        plan,
        arguments=arguments,
        model=load_model(plan, tokenizer),
        tokenizer=tokenizer,
        train=training_sequences(plan, prepared.folder),
        evaluation=None,
        callbacks=[],
    )


def _raw(model: str, data: str, work: str, rows: int, more: Mapping[str, Any]) -> Iterator[Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from recipe_runner.execute.data.prepare import prepare
    from recipe_runner.execute.tokenizer import load_tokenizer

    plan = _plan(model, data, work, rows, OURS["padded"])
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype="float32"),
        args=SFTConfig(
            output_dir=f"{work}/checkpoints",
            num_train_epochs=1,
            learning_rate=2e-4,
            lr_scheduler_type="constant",
            max_length=MAX_LENGTH,
            activation_checkpointing=False,
            bf16=False,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=42,
            **more,
        ),
        # The same tokens and labels; how they were made is not measured here.
        train_dataset=prepare(plan, load_tokenizer(plan.tokenizer)).train,
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.remove_callback(PrinterCallback)
    yield trainer


def _compare(plan: Any) -> dict[str, Any]:
    """The largest difference between a token's loss in its pack and in its document alone."""
    import numpy as np
    import torch

    from recipe_runner.execute.data.packed import training_sequences
    from recipe_runner.execute.data.prepare import prepare
    from recipe_runner.execute.feeds import batches_of
    from recipe_runner.execute.model import load_model
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.plan.joined import SEGMENTS

    tokenizer = load_tokenizer(plan.tokenizer)
    prepared = prepare(plan, tokenizer)
    sequences, collate = training_sequences(plan, prepared.folder), batches_of(plan, tokenizer)
    assert collate is not None
    model = load_model(plan, tokenizer).eval()
    largest, tokens, documents = 0.0, 0, 0
    for first in range(0, len(sequences), 4):
        packs = [sequences[at] for at in range(first, min(first + 4, len(sequences)))]
        model.set_attn_implementation(SEGMENTS)
        together = _losses(model, collate(packs))
        # Attention that is written out in full shares nothing with the kernel that is judged.
        model.set_attn_implementation("eager")
        apart = []
        for pack in packs:
            for part in np.split(pack["input_ids"], np.cumsum(pack["seq_lengths"])[:-1]):
                ids = torch.from_numpy(part.astype(np.int64))[None]
                apart.append(_losses(model, {"input_ids": ids}))
                documents += 1
        separate = torch.cat(apart)
        assert len(separate) == len(together)
        largest = max(largest, float((separate - together).abs().max()))
        tokens += len(together)
    found = prepared.receipt.train_packs
    assert found is not None
    return {
        "documents": documents,
        "packs": found.packs,
        "fill": found.fill,
        "compared_tokens": tokens,
        "largest_loss_difference": largest,
    }


def _losses(model: Any, batch: Mapping[str, Any]) -> Any:
    """The loss of every token that something of its own document comes before."""
    import torch

    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits[0, :-1]
    targets = batch["input_ids"][0, 1:]
    losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    if "position_ids" in batch:
        losses = losses[batch["position_ids"][0, 1:] > 0]
    return losses


if __name__ == "__main__":
    _, model_, data_, work_, rows_, compared_, repeats_, seconds_ = sys.argv
    limits_ = Options(Path(work_), Path(work_), int(repeats_), seconds=float(seconds_))
    main(model_, data_, work_, int(rows_), int(compared_), limits_)
