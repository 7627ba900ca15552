"""Which activations are computed again: the fastest way that fits, and what a recipe may say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.resolve_memory import ROOM
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rungs import climbed, rungs
from recipe_runner.plan.recomputed import layers_words
from tests.unit.compiler.test_fits import EIGHT_BILLION
from tests.workshop import Workshop, recipe

GIB = 2**30
SWITCH, OPTIONS = "training.activation_checkpointing", "training.activation_checkpointing_kwargs"
ONE = {"adapter": "lora", "training.per_device_train_batch_size": 1}


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


# An 8B with LoRA on one row of so many tokens, without levers: what 80 GB have room for.
ON_80: Mapping[int, Mapping[str, Any] | None] = {
    4096: None,
    10240: {"every_n_layers": 3},
    12288: {"every_n_layers": 2},
    32768: {"selective": True},
    81920: {},
    131072: {"offload": True},
}


@pytest.mark.parametrize("length", ON_80)
def test_longer_rows_keep_less(wide: Workshop, length: int) -> None:
    found = resolved(wide, {**ONE, "speed": "off", "data.max_length": length}, "H100")
    options = ON_80[length]
    training = found.recipe.training
    assert training.activation_checkpointing == (options is not None)
    assert training.activation_checkpointing_kwargs == (options or {})
    because = found.reasons[SWITCH].because
    assert "may take 68.0 GiB, 85% of the GPU" in because
    if options:
        assert layers_words(options) in found.reasons[OPTIONS].because
        assert found.reasons[OPTIONS].value == options


@pytest.mark.parametrize("on", ["RTX4090", "A100-40GB", "H100", "2xH200"])
@pytest.mark.parametrize("length", [1024, 4096, 16384, 65536])
def test_no_faster_way_fits(wide: Workshop, length: int, on: str) -> None:
    found = resolved(wide, {**ONE, "data.max_length": length}, on)
    free = climbed(found, {})
    ladder, cost = rungs(free), compile_cost(found)
    assert cost is not None
    assert cost.memory.limit is not None
    room = ROOM * cost.memory.limit
    training = found.recipe.training
    options = (
        training.activation_checkpointing_kwargs if training.activation_checkpointing else None
    )
    (taken,) = (rung for rung in ladder if rung.options == options)
    assert taken.total == cost.memory.total
    if taken.total > room:
        assert not any(rung.total <= room for rung in ladder)
    assert not any(rung.seconds < taken.seconds and rung.total <= room for rung in ladder)


def test_less_memory_takes_more_time(wide: Workshop) -> None:
    ladder = rungs(climbed(resolved(wide, {**ONE, "data.max_length": 8192}, "H100"), {}))
    by = {json.dumps(rung.options): rung for rung in ladder}
    order = [by[name] for name in ("null", '{"every_n_layers": 8}', '{"every_n_layers": 2}')]
    order += [by[name] for name in ('{"selective": true}', "{}", '{"offload": true}')]
    for less, more in pairwise(order):
        assert more.total < less.total
        assert more.seconds > less.seconds


def test_distances_that_leave_as_many_layers_are_one(wide: Workshop) -> None:
    found = rungs(climbed(resolved(wide, ONE, "H100"), {}))
    every = [
        rung.options["every_n_layers"]
        for rung in found
        if rung.options and "every_n_layers" in rung.options
    ]
    # Of 32 layers: every 12th to 15th are three, as every 11th is.
    assert every == [2, 3, 4, 5, 6, 7, 8, 11, 16, 32]


STATED: Mapping[str, tuple[Mapping[str, Any], bool, Mapping[str, Any]]] = {
    "on": ({SWITCH: True}, True, {}),
    "off": ({SWITCH: False}, False, {}),
    "options, and none fit": ({OPTIONS: {"every_n_layers": 8}}, True, {"every_n_layers": 8}),
    "on with options": (
        {SWITCH: True, OPTIONS: {"every_n_layers": 4}},
        True,
        {"every_n_layers": 4},
    ),
}


@pytest.mark.parametrize("name", STATED)
def test_what_is_stated_is_kept(wide: Workshop, name: str) -> None:
    changes, on, options = STATED[name]
    found = resolved(wide, {**ONE, "data.max_length": 131072, **changes}, "H100")
    training = found.recipe.training
    assert training.activation_checkpointing == on
    assert training.activation_checkpointing_kwargs == options
    assert OPTIONS not in found.reasons


def test_options_that_are_not_needed_wait(wide: Workshop) -> None:
    found = resolved(wide, {**ONE, OPTIONS: {"every_n_layers": 2}}, "H100")
    assert found.recipe.training.activation_checkpointing is False


SELECTIVE = {SWITCH: True, OPTIONS: {"selective": True}}
REPORTED: Mapping[str, tuple[Mapping[str, Any], str, str, str]] = {
    "no layer": ({SWITCH: True, OPTIONS: {"every_n_layers": 0}}, "H100", "RR337", "1 or more"),
    "a switch": ({SWITCH: True, OPTIONS: {"offload": 1}}, "H100", "RR337", "true or false"),
    "a word": ({OPTIONS: {"determinism_check": "no"}}, "H100", "RR337", "`none`"),
    "misspelt": ({OPTIONS: {"every_n_layer": 2}}, "H100", "RR337", "`every_n_layers`?"),
    "of nothing": ({OPTIONS: {"key": 1}}, "H100", "RR337", "it has `every_n_layers`"),
    "reentrant": (
        {SWITCH: True, OPTIONS: {"selective": True, "use_reentrant": True}},
        "H100",
        "RR371",
        "one of the two",
    ),
    "third stage": (
        {**SELECTIVE, "adapter": "lora", "launch.strategy": {"type": "deepspeed", "zero_stage": 3}},
        "2xH100",
        "RR371",
        "zero_stage: 2",
    ),
    "off": ({**SELECTIVE, SWITCH: False}, "H100", "RR307", "is false"),
    "written out": ({**SELECTIVE, "model.attn_implementation": "eager"}, "H100", "RR307", "eager"),
    "of fsdp": (
        {
            OPTIONS: {"every_n_layers": 2},
            "launch.strategy": {"type": "fsdp", "activation_checkpointing": True},
        },
        "2xH100",
        "RR307",
        "itself",
    ),
    "no host": ({SWITCH: True, OPTIONS: {"offload": True}}, "cpu", "RR384", "needs a GPU"),
}


@pytest.mark.parametrize("name", REPORTED)
def test_options_that_cannot_be_meant_are_told(shop: Workshop, name: str) -> None:
    changes, on, code, words = REPORTED[name]
    model = {"model.name_or_path": "org/model-id"}
    report = list(shop.compile(recipe({**model, **changes}), on).report)
    assert [each.code.id for each in report] == [code]
    assert words in f"{report[0].message} {report[0].help}"


FINE: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "with an adapter": ({**SELECTIVE, "adapter": "lora"}, "H100"),
    "on a CPU": (SELECTIVE, "cpu"),
    "in shards": ({**SELECTIVE, "launch.strategy": "fsdp"}, "2xH100"),
    "second stage": (
        {**SELECTIVE, "adapter": "lora", "launch.strategy": "deepspeed"},
        "2xH100",
    ),
    "of torch": ({SWITCH: True, OPTIONS: {"use_reentrant": False, "early_stop": False}}, "H100"),
    "waiting on a CPU": ({OPTIONS: {"offload": True}}, "cpu"),
}


@pytest.mark.parametrize("name", FINE)
def test_options_that_can_be_meant_are_left_alone(shop: Workshop, name: str) -> None:
    changes, on = FINE[name]
    assert shop.codes(recipe(changes), on) == []


WORDS: Mapping[str, Mapping[str, Any]] = {
    "all layers are computed again": {},
    "every 2nd layer is computed again": {"every_n_layers": 2},
    "every 13th layer is computed again": {"every_n_layers": 13},
    "all layers but their attention are computed again": {"selective": True},
    "every 3rd layer but its attention is computed again": {"every_n_layers": 3, "selective": True},
    "all layers are computed again, from inputs in the memory of the host": {"offload": True},
}


@pytest.mark.parametrize("words", WORDS)
def test_words(words: str) -> None:
    assert layers_words(WORDS[words]) == words
