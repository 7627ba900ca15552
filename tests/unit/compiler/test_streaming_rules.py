"""What a stream needs, and what it cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workshop import Workshop, recipe

STREAM = {"data.streaming": True, "training.max_steps": 10}
EVAL = {"data.eval": "data/eval.jsonl"}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        pytest.param(STREAM, [], id="stream"),
        pytest.param({**STREAM, **EVAL, "data.leakage": "ignore"}, [], id="with-evaluation"),
        pytest.param({**STREAM, "data.shuffle_buffer": 50}, [], id="buffer"),
        pytest.param({"data.streaming": True}, ["RR347"], id="without-an-end"),
        pytest.param({**STREAM, "data.eval": {"split": 0.1}}, ["RR348"], id="split"),
        pytest.param({**STREAM, **EVAL}, ["RR348"], id="leakage"),
        pytest.param({**STREAM, "data.deduplicate": "exact"}, ["RR348"], id="deduplicate"),
        pytest.param({**STREAM, "data.packing": "bfd"}, ["RR348"], id="packing"),
        pytest.param(
            {**STREAM, "training.train_sampling_strategy": "group_by_length"},
            ["RR348"],
            id="by-length",
        ),
        pytest.param({**STREAM, "training.dataloader_num_workers": 2}, ["RR348"], id="workers"),
        pytest.param({**STREAM, "training.saves_per_epoch": 2}, ["RR348"], id="saves"),
        pytest.param(
            {**STREAM, **EVAL, "data.leakage": "ignore", "training.evals_per_epoch": 2},
            ["RR348"],
            id="evaluations",
        ),
        pytest.param(
            {
                **STREAM,
                "data.train": {"path": "org/set", "format": "messages", "split": "train[:10%]"},
            },
            ["RR348"],
            id="slice",
        ),
        pytest.param({"data.shuffle_buffer": 50}, ["RR349"], id="buffer-without-stream"),
        pytest.param(
            {**STREAM, "data.shuffle_buffer": 50, "data.shuffle": False},
            ["RR349"],
            id="buffer-without-shuffle",
        ),
    ],
)
def test_streaming(changes: dict[str, Any], codes: list[str], shop: Workshop) -> None:
    assert shop.codes(recipe(changes)) == codes


def test_a_stream_evaluates_by_steps(shop: Workshop) -> None:
    plan = shop.plan(recipe({**STREAM, **EVAL, "data.leakage": "ignore"}))
    assert plan.arguments.arguments["eval_strategy"] == "steps"


def test_an_evaluation_row_is_used_once(shop: Workshop) -> None:
    repeated = {"data.eval": {"path": "data/eval.jsonl", "repeat": 2}}
    assert shop.codes(recipe(repeated)) == ["RR307"]


def test_repeats_count_in_the_steps_of_an_epoch(shop: Workshop) -> None:
    twice = {"data.train": {"path": "data/chat.jsonl", "repeat": 2}}
    split = {**twice, "data.eval": {"split": 0.1}}
    batch = {"training.global_batch_size": 10, "training.per_device_train_batch_size": 10}
    assert shop.plan(recipe(batch)).steps.per_epoch == 10
    assert shop.plan(recipe({**batch, **twice})).steps.per_epoch == 20
    assert shop.plan(recipe({**batch, **split})).steps.per_epoch == 18  # 90 rows train, twice


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("s3://bucket/chat.jsonl", "s3fs"),
        ("gs://bucket/chat.jsonl", "gcsfs"),
        ("az://container/chat.jsonl", "adlfs"),
        ("https://example.com/chat.jsonl", "aiohttp"),
        ("https://example.com/chat.jsonl.zst", "zstandard"),
    ],
)
def test_packages_that_data_need_are_in_the_plan(path: str, module: str, shop: Workshop) -> None:
    plan = shop.plan(recipe({"data.train": {"path": path, "format": "messages"}}))
    assert module in [each.module for each in plan.requires]


def test_the_format_of_rows_elsewhere_has_to_be_stated(shop: Workshop) -> None:
    assert shop.codes(recipe({"data.train": "s3://bucket/chat.jsonl"})) == ["RR407"]
