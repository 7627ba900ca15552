"""What is told of a model from its configuration, against sums done by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from recipe_runner.compiler.estimate import modules_of
from recipe_runner.compiler.estimate.targets import Reach, reach
from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import create

LLAMA = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 8,
    "intermediate_size": 20,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
AXIS = "recipe_runner.components.adapters"


def reached(**options: Any) -> Reach:
    """What a LoRA with these options is put on."""
    architecture = modules_of(LLAMA)
    assert architecture is not None
    adapter = create(AXIS, {"type": "lora", **options})
    assert isinstance(adapter, Adapter)
    found = reach(adapter, architecture)
    assert found is not None
    return found


def test_a_llama_has_the_parameters_that_one_counts_by_hand() -> None:
    # Queries and outputs 8 x 8, keys and values 2 heads of 2 features: 4 x 8, three
    # feed-forward layers of 20 x 8, two norms of 8.
    layer = 2 * 64 + 2 * 32 + 3 * 160 + 2 * 8
    architecture = modules_of(LLAMA)
    assert architecture is not None
    # Embeddings and output head 100 x 8, and the last norm.
    assert architecture.total == 3 * layer + 2 * 800 + 8
    assert architecture.key_value_size == 4


def test_a_tied_head_counts_once() -> None:
    tied, loose = modules_of({**LLAMA, "tie_word_embeddings": True}), modules_of(LLAMA)
    assert tied is not None
    assert loose is not None
    assert loose.total - tied.total == 800
    assert "lm_head.weight" not in tied.parameters


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"model_type": "a-family-of-tomorrow"}, id="another-family"),
        pytest.param({**LLAMA, "hidden_size": None}, id="a-dimension-left-out"),
        pytest.param({**LLAMA, "num_hidden_layers": "three"}, id="no-number"),
        pytest.param({**LLAMA, "num_attention_heads": 0}, id="no-heads"),
    ],
)
def test_a_configuration_that_does_not_tell_is_not_guessed(config: Mapping[str, Any]) -> None:
    assert modules_of(config) is None


EVERY = 3 * 7
CASES: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "all-linear leaves the head out": ({}, EVERY),
    "an ending": ({"target_modules": ["q_proj"]}, 3),
    "an ending of two parts": ({"target_modules": ["mlp.up_proj"]}, 3),
    "part of a name is no ending": ({"target_modules": ["proj"]}, 0),
    "the head by its name": ({"target_modules": ["lm_head", "q_proj"]}, 4),
    "a whole name": ({"target_modules": ["model.layers.1.self_attn.q_proj"]}, 1),
    "a regular expression is for all of the name": ({"target_modules": "q_proj"}, 0),
    "a regular expression": ({"target_modules": r".*\.[01]\..*\.(q|k)_proj"}, 4),
    "what is excluded by its ending": ({"exclude_modules": ["q_proj", "mlp.down_proj"]}, EVERY - 6),
    "what is excluded by an expression": ({"exclude_modules": r".*layers\.0\..*"}, EVERY - 7),
    "what is saved is not adapted": ({"modules_to_save": ["up_proj"]}, EVERY - 3),
    "what holds it is saved": ({"modules_to_save": ["mlp"]}, EVERY - 9),
    "some layers": ({"target_modules": ["q_proj"], "layers_to_transform": [0, 2]}, 2),
    "some layers of a list by name": (
        {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "layers"},
        1,
    ),
    "no such list of layers": (
        {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "blocks"},
        0,
    ),
    "embeddings": ({"target_modules": ["embed_tokens"]}, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_names_find_what_peft_finds(name: str) -> None:
    options, count = CASES[name]
    assert len(reached(**options).modules) == count


def test_modules_to_save_are_compared_without_a_dot_before_them() -> None:
    saved = reached(modules_to_save=["norm"]).saved
    assert "model.norm" in saved
    assert "model.layers.0.input_layernorm" in saved


def test_names_that_hold_no_layer_are_told_apart() -> None:
    assert reached(target_modules=["mlp"]).bare == tuple(f"model.layers.{n}.mlp" for n in range(3))


def test_what_peft_does_with_experts_is_not_claimed() -> None:
    config = {**LLAMA, "model_type": "mixtral", "num_local_experts": 4}
    architecture = modules_of(config)
    assert architecture is not None
    for options, known in (({}, False), ({"target_modules": ["q_proj"]}, True)):
        adapter = create(AXIS, {"type": "lora", **options})
        assert isinstance(adapter, Adapter)
        found = reach(adapter, architecture)
        assert found is not None
        assert found.known is known
