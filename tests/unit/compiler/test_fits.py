"""Runs that need more memory than there is, and what saves it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.fits import FULL, does_not_fit
from recipe_runner.compiler.savings import fits, savings
from tests.workshop import Workshop, recipe

EIGHT_BILLION = {
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
GIB = 2**30


@pytest.fixture
def wide(shop: Workshop) -> Workshop:
    folder = shop.folder / "wide"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(EIGHT_BILLION), encoding="utf-8")
    vocabulary = {"model": {"vocab": {"a": 0}}, "added_tokens": []}
    (folder / "tokenizer.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return shop


def resolved(shop: Workshop, changes: Mapping[str, Any], on: str) -> ResolvedRecipe:
    base = {"model": "wide", "tokenizer.chat_template": "chatml"}
    compiled = shop.compile(recipe({**base, **changes}), on)
    assert compiled.resolved is not None, [each.message for each in compiled.report]
    return compiled.resolved


LORA = {"adapter": "lora"}
RECOMPUTES = "training.activation_checkpointing"
WIDE = {**LORA, "training.per_device_train_batch_size": 8, RECOMPUTES: True}
ON_24: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    # 8 billion weights in 16 bits are 15 GiB, and 8 rows of 2,048 tokens do not fit beside them.
    "lora": (
        WIDE,
        (
            "tokens_per_micro_batch: 2048",
            "{offload: true}",
            "fsdp, num_processes: 2",
            "bnb_4bit`",
        ),
    ),
    # 128 GB of weights and their state: only another kind of training fits one such GPU.
    "in full": ({}, ("fsdp, num_processes: ", "quantization: bnb_4bit with adapter: lora")),
}


@pytest.mark.parametrize("name", ON_24)
def test_the_help_names_the_changes_that_are_enough(wide: Workshop, name: str) -> None:
    changes, words = ON_24[name]
    (finding,) = does_not_fit.check(resolved(wide, changes, "RTX4090"))
    assert does_not_fit.code.id == "RR340"
    assert "the GPU has 24.0" in finding.message
    for word in words:
        assert word in finding.help


FITTING: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "in 4 bits": ({**LORA, "quantization": "bnb_4bit"}, "RTX4090"),
    "in shards": ({"launch.strategy": "fsdp"}, "8xH100"),
    "one row at once": ({**LORA, "training.per_device_train_batch_size": 1}, "RTX4090"),
}


@pytest.mark.parametrize("name", FITTING)
def test_a_run_that_fits_is_left_alone(wide: Workshop, name: str) -> None:
    changes, on = FITTING[name]
    assert list(does_not_fit.check(resolved(wide, changes, on))) == []


def test_a_model_that_is_not_known_is_not_judged(shop: Workshop) -> None:
    compiled = shop.compile(recipe(), "RTX4090")
    assert compiled.resolved is not None
    assert list(does_not_fit.check(compiled.resolved)) == []


def test_changes_are_put_together_where_none_is_enough(wide: Workshop) -> None:
    rows = {"training.per_device_train_batch_size": 2, "data.max_length": 8192}
    alone = {**rows, RECOMPUTES: False}
    found = savings(resolved(wide, alone, "2xA100-40GB"), FULL)
    (together,) = found
    assert together.words[:3] == (
        "training.activation_checkpointing: true",
        "training.per_device_train_batch_size: 1",
        "training.activation_checkpointing_kwargs: {offload: true}",
    )
    assert together.memory.total <= FULL * 40 * GIB


def test_each_saving_fits_and_none_changes_the_recipe(wide: Workshop) -> None:
    before = resolved(wide, WIDE, "RTX4090")
    cost = compile_cost(before)
    assert cost is not None
    assert not fits(cost, FULL)
    for saving in savings(before, FULL):
        assert saving.memory.total <= FULL * 24 * GIB
    assert compile_cost(before) == cost


STATED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    # Options that the recipe states are no reason to propose no others.
    "too few": (
        {RECOMPUTES: True, f"{RECOMPUTES}_kwargs": {"every_n_layers": 16}},
        "every_n_layers",
    ),
    "none": ({RECOMPUTES: False}, "selective: true"),
}


@pytest.mark.parametrize("name", STATED)
def test_the_fastest_way_to_compute_again_is_proposed(wide: Workshop, name: str) -> None:
    stated, words = STATED[name]
    on = "A100-40GB" if name == "none" else "H100"
    long = {"speed": "off", "data.max_length": 16384 if name == "none" else 12288}
    one = {**LORA, "training.per_device_train_batch_size": 1}
    before = resolved(wide, {**one, **long, **stated}, on)
    found = savings(before, FULL)
    assert f"{RECOMPUTES}_kwargs: {{" in found[0].words[0]
    assert words in found[0].words[0]
    assert found[0].memory.total <= FULL * before.machine.memory_gib * GIB


def test_what_a_recipe_has_is_not_proposed(wide: Workshop) -> None:
    whole = {**LORA, "quantization": "bnb_4bit", "training.optim": "adamw_bnb_8bit"}
    size = {"data.max_length": 16384, "training.per_device_train_batch_size": 8}
    before = resolved(wide, {**whole, **size}, "RTX4090")
    words = [word for saving in savings(before, FULL) for word in saving.words]
    assert words
    assert not any(word.startswith(("quantization", "training.optim")) for word in words)
