"""How much trains, in the plan of a recipe whose model is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from recipe_runner.cli.plan_parameters import base_words, trained_words
from recipe_runner.plan import ParameterPlan, TrainedGroup, decode, encode
from tests.workshop import Workshop, recipe

CONFIG = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 8,
    "intermediate_size": 20,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
TOTAL = 3 * (2 * 64 + 2 * 32 + 3 * 160 + 2 * 8) + 2 * 800 + 8
LORA = 3 * (2 * (8 + 8) + 2 * (8 + 4) + 3 * (8 + 20))
"""Parameters of a LoRA of rank 1 on every linear layer."""

TOKENIZER = {"model": {"vocab": {f"t{n}": n for n in range(95)}}, "added_tokens": []}


@pytest.fixture
def local(shop: Workshop) -> Workshop:
    folder = shop.folder / "three-layers"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return shop


def told(shop: Workshop, changes: Mapping[str, Any]) -> ParameterPlan:
    base = {"model": "three-layers", "tokenizer.chat_template": "chatml"}
    parameters = shop.plan(recipe({**base, **changes}), "1xH100-80GB").parameters
    assert parameters is not None
    return parameters


CASES: Mapping[str, tuple[Mapping[str, Any], int, int | None]] = {
    "in full": ({}, TOTAL, TOTAL),
    "but for the embeddings": ({"model.freeze": ["embed_tokens"]}, TOTAL, TOTAL - 800),
    "norms only": ({"model.trainable_parameters": ["norm"]}, TOTAL, 7 * 8),
    "the last layer and the head": (
        {"model.trainable": {"last_layers": 1, "head": True}},
        TOTAL,
        688 + 800,
    ),
    "rank 1": ({"adapter.type": "lora", "adapter.r": 1}, TOTAL, LORA),
    "rank 3": ({"adapter.type": "lora", "adapter.r": 3}, TOTAL, 3 * LORA),
    "a head beside it": (
        {"adapter.type": "lora", "adapter.r": 1, "adapter.modules_to_save": ["lm_head"]},
        TOTAL,
        LORA + 800,
    ),
    "virtual tokens": (
        {"adapter.type": "prefix_tuning", "adapter.num_virtual_tokens": 5},
        TOTAL,
        # Keys and values of 2 heads with 2 features in 3 layers.
        5 * 3 * 2 * 4,
    ),
    "no formula": ({"adapter.type": "lokr"}, TOTAL, None),
    "tokens that fit": ({"tokenizer.add_tokens": ["<a>"]}, TOTAL, TOTAL),
    "tokens that do not": (
        {"tokenizer.add_tokens": [f"<{n}>" for n in range(7)]},
        TOTAL + 2 * 2 * 8,
        TOTAL + 2 * 2 * 8,
    ),
    "rows in round numbers": (
        {"tokenizer.resize_embeddings_multiple_of": 64},
        TOTAL + 2 * 28 * 8,
        TOTAL + 2 * 28 * 8,
    ),
    "another depth": (
        {"model.config_overrides": {"num_hidden_layers": 1}},
        TOTAL - 2 * 688,
        TOTAL - 2 * 688,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_parameters_are_those_that_one_counts_by_hand(local: Workshop, name: str) -> None:
    changes, total, trained = CASES[name]
    parameters = told(local, changes)
    assert (parameters.total, parameters.trained) == (total, trained)


def test_groups_add_up(local: Workshop) -> None:
    groups = told(local, {"adapter.type": "lora", "adapter.r": 1}).groups
    assert [group.modules for group in groups] == [3] * 7
    assert sum(group.parameters or 0 for group in groups) == LORA


LINEAR = 3 * (2 * 64 + 2 * 32 + 3 * 160)
BYTES: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "weights that train": ({}, 4 * TOTAL),
    "frozen weights": ({"adapter": "lora"}, 2 * TOTAL),
    "8 bits": (
        {"adapter": "lora", "quantization": "bnb_8bit"},
        # A byte for each weight of a linear layer but the head; the scales are few.
        2 * (TOTAL - LINEAR) + LINEAR,
    ),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_of_the_base_follow_from_how_it_is_loaded(local: Workshop, name: str) -> None:
    changes, size = BYTES[name]
    assert told(local, changes).base_bytes == size


def test_a_model_of_a_hub_is_not_guessed(shop: Workshop) -> None:
    assert shop.plan(recipe()).parameters is None


def test_the_counts_of_a_plan_survive_its_file(local: Workshop) -> None:
    plan = local.plan(recipe({"model": "three-layers", "tokenizer.chat_template": "chatml"}), "cpu")
    assert decode(encode(plan)) == plan


WORDS: Mapping[str, tuple[ParameterPlan, str]] = {
    "in full": (ParameterPlan(596_049_920, 596_049_920, None), "all 596M parameters"),
    "layers": (
        ParameterPlan(
            596_049_920,
            2_379_776,
            None,
            (
                TrainedGroup("model.layers.*.self_attn.q_proj", 28, 1_433_600),
                TrainedGroup("model.layers.*.self_attn.v_proj", 28, 946_176),
            ),
        ),
        "2.38M of 596M parameters (0.40%): q_proj, v_proj on 28 layers (56 modules)",
    ),
    "one name for two things": (
        ParameterPlan(
            1000,
            20,
            None,
            (TrainedGroup("h.*.attn.c_proj", 2, 10), TrainedGroup("h.*.mlp.c_proj", 2, 10)),
        ),
        "20 of 1k parameters (2.00%): attn.c_proj, mlp.c_proj on 2 layers (4 modules)",
    ),
    "no formula": (ParameterPlan(1000, None, None), "not counted (see --trace) of 1k parameters"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_person_reads_what_trains(name: str) -> None:
    parameters, words = WORDS[name]
    assert trained_words(parameters) == words


def test_a_person_reads_how_large_the_base_is() -> None:
    half = ParameterPlan(8 * 2**30, None, 4 * 2**30)
    assert base_words(half) == "0.5 bytes per parameter, 4.00 GiB"


def test_names_that_find_nothing_are_told_with_those_that_would(local: Workshop) -> None:
    value = recipe({"model": "three-layers", "tokenizer.chat_template": "chatml"})
    value["adapter"] = {
        "type": "lora",
        "modules_to_save": ["lm_haed"],
        "rank_pattern": {"x_proj": 2},
    }
    found = [d for d in local.compile(value).report if d.code.id == "RR470"]
    assert len(found) == 2
    assert any("did you mean `lm_head`?" in d.help for d in found)


@pytest.mark.parametrize(
    ("adapter", "codes"),
    [
        ({"target_modules": ["q_proj"]}, []),
        ({"target_modules": ["q_porj"]}, ["RR470"]),
        ({"target_modules": "q_proj"}, ["RR470"]),
        ({"exclude_modules": ["up"]}, ["RR470"]),
        ({"exclude_modules": ".*"}, ["RR471"]),
        ({"target_modules": ["norm"]}, ["RR471"]),
        ({"target_parameters": ["mlp.experts.down_proj"]}, ["RR470"]),
        ({"target_modules": ["q_proj"], "layers_to_transform": [3]}, ["RR472"]),
        ({"r": 9}, ["RR474"]),
        ({"r": 4, "rank_pattern": {"k_proj": 5}}, ["RR474"]),
        ({"r": 4, "rank_pattern": {"q_proj": 8}}, []),
    ],
)
def test_names_and_ranks_are_checked(
    local: Workshop, adapter: Mapping[str, Any], codes: list[str]
) -> None:
    changes = {"model": "three-layers", "tokenizer.chat_template": "chatml"}
    value = recipe(changes, adapter={"type": "lora", "r": 4, **adapter})
    assert local.codes(value) == codes


@pytest.mark.parametrize(
    ("model", "codes"),
    [
        ({"freeze": ["embed_tokens"]}, []),
        ({"freeze": ["wte"]}, ["RR473"]),
        ({"trainable_parameters": ["q_proj", "lm_heads"]}, ["RR473"]),
        ({"freeze": ["."]}, ["RR473"]),
        ({"trainable_parameters": ["norm"], "freeze": ["norm"]}, ["RR473"]),
    ],
)
def test_patterns_are_checked(local: Workshop, model: Mapping[str, Any], codes: list[str]) -> None:
    value = recipe(
        {"tokenizer.chat_template": "chatml"}, model={"name_or_path": "three-layers", **model}
    )
    assert local.codes(value) == codes


def test_a_tokenizer_of_a_unigram_model_is_counted(local: Workshop) -> None:
    folder = local.folder / "words"
    folder.mkdir(exist_ok=True)
    tokens = {"model": {"vocab": [[f"t{n}", -1.0] for n in range(120)]}, "added_tokens": []}
    (folder / "tokenizer.json").write_text(json.dumps(tokens), encoding="utf-8")
    changes = {"tokenizer.name_or_path": "words"}
    assert told(local, changes).total == TOTAL + 2 * 20 * 8
