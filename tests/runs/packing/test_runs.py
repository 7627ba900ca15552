"""Runs on packs and without padding: the losses of padded rows, resumed, weighted, grouped."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.console import Progress
from recipe_runner.execute.data.packed import Sequences
from recipe_runner.execute.launch import launch
from recipe_runner.execute.suppliers import default_suppliers
from recipe_runner.execute.trainer import build_trainer, training_arguments
from recipe_runner.plan import Call, Plan
from recipe_runner.plan.joined import SEGMENTS
from tests.runs.packing.conftest import joined_plan, rows_of_many_lengths
from tests.runs.train.by_hand import LORA, RECIPE, Recorder, losses
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

SURE_LORA = Call(LORA.target, {**LORA.arguments, "lora_dropout": 0.0})

ONE_STEP = {"per_device_train_batch_size": 40, "max_steps": 1, "warmup_steps": 0}
"""All 40 rows in one batch."""


def run(plan: Plan, console: Recorder | None = None) -> dict[int, float]:
    launch(plan, RECIPE, RECIPE, console or Recorder())
    return losses(Path(plan.outputs.run_dir))


def first_row(plan: Plan) -> dict[str, Any]:
    text = (Path(plan.outputs.run_dir) / "metrics.jsonl").read_text(encoding="utf-8")
    row: dict[str, Any] = json.loads(text.splitlines()[0])
    return row


@pytest.mark.parametrize("adapter", [None, SURE_LORA], ids=["full", "lora"])
@pytest.mark.parametrize(
    ("data", "arguments", "attention"),
    [
        pytest.param({"packing": "bfd"}, {}, SEGMENTS, id="packed"),
        pytest.param({}, {"padding_free": True}, SEGMENTS, id="padding-free"),
        pytest.param({"packing": "bfd"}, {}, "eager", id="packed under a mask"),
    ],
)
def test_a_step_on_joined_rows_is_the_step_on_padded_rows(
    data: Mapping[str, Any],
    arguments: Mapping[str, Any],
    attention: str,
    adapter: Call | None,
    model: Path,
    tmp_path: Path,
) -> None:
    padded = joined_plan(
        model, tmp_path / "padded", arguments=ONE_STEP, attention="sdpa", adapter=adapter
    )
    joined = joined_plan(
        model,
        tmp_path / "joined",
        data=data,
        arguments={**ONE_STEP, **arguments},
        attention=attention,
        adapter=adapter,
    )
    assert run(joined)[1] == pytest.approx(run(padded)[1], abs=1e-5)
    ours, theirs = first_row(joined), first_row(padded)
    assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)
    assert ours["num_tokens"] == theirs["num_tokens"]


def test_evaluation_without_packs_joins_rows_as_well(model: Path, tmp_path: Path) -> None:
    found = []
    for name, data in (
        ("rows", {"eval_split": 8}),
        ("packs", {"eval_split": 8, "packing": "bfd", "eval_packing": None}),
    ):
        plan = joined_plan(
            model,
            tmp_path / name,
            data=data,
            arguments={
                **ONE_STEP,
                "learning_rate": 0.0,
                "per_device_eval_batch_size": 8,
                "eval_strategy": "steps",
                "eval_steps": 1,
            },
        )
        run(plan)
        rows = (Path(plan.outputs.run_dir) / "metrics.jsonl").read_text().splitlines()
        found += [row["eval_loss"] for row in map(json.loads, rows) if "eval_loss" in row][:1]
    assert found[0] == pytest.approx(found[1], abs=1e-5)


class Stopper(Recorder):
    """Sends itself the signal of a scheduler when step 3 is over."""

    def progress(self, progress: Progress | None) -> None:
        super().progress(progress)
        if progress is not None and progress.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        pytest.param({"packing": "bfd"}, {}, id="packed"),
        pytest.param({"packing": "wrapped"}, {}, id="one stream"),
        pytest.param({}, {"padding_free": True}, id="padding-free"),
        pytest.param({}, {"train_sampling_strategy": "group_by_length"}, id="grouped"),
        pytest.param({}, {"train_sampling_strategy": "batch_rebalance"}, id="balanced"),
    ],
)
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    data: Mapping[str, Any], arguments: Mapping[str, Any], model: Path, tmp_path: Path
) -> None:
    steps = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, **arguments}
    whole = run(joined_plan(model, tmp_path / "whole", data=data, arguments=steps))
    stopped = joined_plan(model, tmp_path / "stopped", data=data, arguments=steps)
    outcome = launch(stopped, RECIPE, RECIPE, Stopper())
    assert outcome.status == "interrupted"
    assert 3 <= outcome.step < 8
    outcome = launch(stopped, RECIPE, RECIPE, Recorder())
    assert outcome.status == "finished"
    assert outcome.resumed_from is not None
    assert losses(Path(stopped.outputs.run_dir)) == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    "data", [{"packing": "bfd"}, {"packing": "bfd_split"}], ids=lambda d: d["packing"]
)
def test_two_processes_have_the_losses_of_one(
    data: Mapping[str, Any], model: Path, tmp_path: Path
) -> None:
    data = {**data, "max_length": 32}
    one = run(joined_plan(model, tmp_path / "one", data=data))
    halved = {"per_device_train_batch_size": 2}
    both = run(joined_plan(model, tmp_path / "two", data=data, arguments=halved, processes=2))
    assert list(both.values()) == pytest.approx(list(one.values()), abs=5e-6)
    assert one.keys() == both.keys()


def test_the_saved_model_needs_nothing_of_ours(model: Path, tmp_path: Path) -> None:
    plan = joined_plan(model, tmp_path, data={"packing": "bfd"}, arguments=ONE_STEP)
    run(plan)
    config = (Path(plan.outputs.run_dir) / "model" / "config.json").read_text(encoding="utf-8")
    assert SEGMENTS not in config


REFUSED: dict[str, tuple[str, str]] = {
    "mamba": ("mamba", "carries a state along the whole row"),
    "sinks": ("gpt_oss", "has attention sinks"),
    "capped scores": ("gemma2", "caps its attention scores"),
}


@pytest.mark.parametrize(("family", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_models_that_cannot_keep_documents_apart_are_refused(
    family: str, why: str, tmp_path: Path
) -> None:
    plan = joined_plan(
        tiny_model(tmp_path / "model", family=family), tmp_path, data={"packing": "bfd"}
    )
    with pytest.raises(DiagnosticError) as caught:
        run(plan)
    [found] = caught.value.diagnostics
    assert found.code.id == "RR446"
    assert why in found.message


def trainer_of(plan: Plan, model: Path, train: Any) -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return build_trainer(
        plan,
        arguments=training_arguments(plan, Path(plan.outputs.run_dir)),
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        tokenizer=AutoTokenizer.from_pretrained(model),
        train=train,
        evaluation=None,
        callbacks=[],
    )


@pytest.fixture
def grouped(model: Path, tmp_path: Path) -> Callable[[str], tuple[Any, Sequences]]:
    def make(strategy: str) -> tuple[Any, Sequences]:
        rows_of_many_lengths(tmp_path / "chat.jsonl", rows=400)
        batch = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4}
        arguments = {"train_sampling_strategy": strategy, **batch}
        plan = joined_plan(model, tmp_path, arguments=arguments)
        from recipe_runner.execute.tokenizer import load_tokenizer

        data = default_suppliers().prepare(plan, load_tokenizer(plan.tokenizer), Recorder())
        return trainer_of(plan, model, data.train), data.train

    return make


@pytest.mark.parametrize("strategy", ["group_by_length", "batch_rebalance"])
def test_grouping_reads_a_column_and_no_rows(
    strategy: str, grouped: Callable[[str], tuple[Any, Sequences]]
) -> None:
    trainer, train = grouped(strategy)
    files, train.tokens = train.tokens, None  # type: ignore[assignment]  # reading would fail
    order = list(trainer._get_train_sampler())
    train.tokens = files
    groups = order if isinstance(order[0], list) else [order[i : i + 8] for i in range(0, 400, 8)]
    assert sorted(row for group in groups for row in group) == list(range(400))
    assert padding(train, groups) < 0.6 * padding(
        train, [range(i, i + 8) for i in range(0, 400, 8)]
    )


def padding(train: Sequences, groups: Any) -> int:
    """The tokens that fill the batches of `groups` up."""
    lengths = train["length"]
    return sum(max(lengths[i] for i in g) * len(g) - sum(lengths[i] for i in g) for g in groups)


def weighted(rows: int, weight: Callable[[int], float]) -> Iterator[dict[str, Any]]:
    for n in range(rows):
        length = 6 + 3 * (n % 5)
        ids = [(7 * n + 3 * at) % 200 + 5 for at in range(length)]
        labels = [-100 if at < 2 else ids[at] for at in range(length)]
        yield {
            "input_ids": ids,
            "labels": labels,
            "weights": [weight(at) for at in range(length)],
            "seq_lengths": [length],
        }


def with_weights(plan: Plan) -> Plan:
    source = plan.data.train[0]
    loss = dataclasses.replace(source.loss, weights={"x": 2.0})
    train = (dataclasses.replace(source, loss=loss),)
    return dataclasses.replace(plan, data=dataclasses.replace(plan.data, train=train))


@pytest.mark.parametrize("joined", [False, True], ids=["padded", "joined"])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_weights_of_one_are_the_loss_of_trl(
    accumulation: int, joined: bool, model: Path, tmp_path: Path
) -> None:
    import datasets

    found = []
    for column in (True, False):
        plan = joined_plan(
            model,
            tmp_path / str(column),
            arguments={
                "padding_free": joined,
                "max_steps": 3,
                "gradient_accumulation_steps": accumulation,
            },
        )
        rows = datasets.Dataset.from_list(list(weighted(24, lambda _: 1.0)))
        rows = rows if column else rows.remove_columns("weights")
        trainer = trainer_of(with_weights(plan) if column else plan, model, rows)
        trainer.train()
        found.append([row["loss"] for row in trainer.state.log_history if "loss" in row])
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert len(found[0]) == 3


@pytest.mark.parametrize("joined", [False, True], ids=["padded", "joined"])
def test_weights_scale_the_loss_of_their_tokens(joined: bool, model: Path, tmp_path: Path) -> None:
    import datasets
    from transformers import AutoModelForCausalLM

    rows = list(weighted(8, lambda at: 0.25 * (at % 4)))
    plan = joined_plan(
        model,
        tmp_path,
        arguments={"padding_free": joined, "per_device_train_batch_size": 8, "max_steps": 1},
    )
    trainer = trainer_of(with_weights(plan), model, datasets.Dataset.from_list(rows))
    trainer.train()
    [logged] = [row["loss"] for row in trainer.state.log_history if "loss" in row]

    reference = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    total, count = 0.0, 0
    with torch.no_grad():
        for row in rows:
            ids = torch.tensor([row["input_ids"]])
            scores = reference(input_ids=ids).logits[0].log_softmax(-1)
            for at in range(1, len(row["labels"])):
                if row["labels"][at] != -100:
                    total -= row["weights"][at] * float(scores[at - 1, row["labels"][at]])
                    count += 1
    assert logged == pytest.approx(total / count, abs=1e-5)
