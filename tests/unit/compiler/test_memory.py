"""What a step takes in memory, against sums done by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.compile_run import run_of
from recipe_runner.compiler.estimate import Architecture, modules_of
from recipe_runner.compiler.estimate.activations import Forward, Trained, kept_by_layers
from recipe_runner.compiler.estimate.kept import copies
from recipe_runner.compiler.estimate.loss import KEPT, in_backward, in_forward
from recipe_runner.compiler.estimate.memory import LIBRARIES, memory
from recipe_runner.compiler.estimate.run import Run, Shards
from recipe_runner.compiler.estimate.state import state_bytes, step_bytes
from recipe_runner.plan import CostPlan, MemoryPlan
from recipe_runner.plan.codec import _decode, to_json
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
# Queries 8, keys and values 2 heads of 2: 4 each.
LAYER = 2 * 64 + 2 * 32 + 3 * 160 + 2 * 8
TOTAL = 3 * LAYER + 2 * 800 + 8


def architecture(**changes: Any) -> Architecture:
    """The model, with other values."""
    found = modules_of({**CONFIG, **changes})
    assert found is not None
    return found


def all_of(model: Architecture) -> Trained:
    """Everything trains."""
    return Trained(frozenset(model.parameters))


def adapted(model: Architecture, rank: float) -> Trained:
    """Every linear layer but the head is adapted."""
    linear = (m.name for m in model.modules if m.kind == "linear" and m.name != "lm_head")
    return Trained(ranks=dict.fromkeys(linear, rank))


FLOAT32 = Forward(4, 4, cpu=True)
BFLOAT16 = Forward(2, 2)
CAST = Forward(4, 2, autocast=True)
HALF = Forward(2, 2, autocast=True)

IN_FULL: Mapping[str, tuple[Forward, int]] = {
    # Norms: 2 x (input, a root, what is multiplied by the factors) = 2 x (32 + 4 + 32); two inputs
    # of products, 32 each; queries and result 32, keys and values 16; four of the gate, 80 each.
    "float32": (FLOAT32, 136 + 64 + 2 * 32 + 2 * 16 + 16 + 4 * 80),
    # Norms: the input in float32, 32, a root, 16 for the factors; all else is half as wide.
    "bfloat16": (BFLOAT16, 104 + 32 + 2 * 16 + 2 * 8 + 16 + 4 * 40),
    # Norms as in float32; a copy of the input for each of the five products that read it.
    "float32 cast": (CAST, 136 + 5 * 16 + 2 * 16 + 2 * 8 + 16 + 4 * 40),
    # Keys and values are repeated for every query; a mask of 50 tokens.
    "with a mask": (replace(BFLOAT16, masked=True, length=50), 104 + 32 + 4 * 16 + 16 + 160 + 100),
    # Scores of 4 heads over 50 tokens in 32 and in 16 bits; the result is kept by what reads it.
    # In float32 whatever the rest is in; what reads the results has a tensor of its own.
    "in segments": (
        replace(BFLOAT16, cpu=True, segments=True),
        104 + 32 + 2 * 32 + 2 * 16 + 16 + 160 + 16,
    ),
    "written out": (
        replace(BFLOAT16, eager=True, length=50),
        104 + 32 + 3 * 16 + 16 + 160 + 4 * 50 * 6,
    ),
}


@pytest.mark.parametrize("name", IN_FULL)
def test_a_layer_that_trains_keeps_what_one_counts_by_hand(name: str) -> None:
    model = architecture()
    forward, kept = IN_FULL[name]
    assert kept_by_layers(model, all_of(model), forward) == (kept,) * 3


# Frozen norms keep nothing for their factors: 2 x (32 + 4). The attention 48 and 16, three of the
# gate, 120, and two numbers between the matrices of each of the seven adapted layers.
FROZEN = 72 + 2 * 16 + 2 * 8 + 16 + 3 * 40
BETWEEN = 7 * 2 * 2
ALL_INPUTS = 2 * (5 * 8 + 8 + 20)
"""A copy of the input of every adapted layer in 16 bits: five of 8 features, one of 8, one of 20."""

WITH_LORA: Mapping[str, tuple[Forward, int]] = {
    # Two inputs are shared, the one of the output is kept by the attention, one is the gate's.
    "as they are": (replace(HALF, casts_inputs=False), FROZEN + BETWEEN + 2 * 16 + 40),
    "as PEFT casts": (HALF, FROZEN + BETWEEN + ALL_INPUTS),
    "dropout on a GPU": (
        replace(HALF, dropout=True),
        FROZEN + BETWEEN + ALL_INPUTS + ALL_INPUTS // 2,
    ),
    "dropout on a CPU": (
        replace(HALF, dropout=True, cpu=True),
        FROZEN + BETWEEN + ALL_INPUTS + 2 * ALL_INPUTS,
    ),
}


@pytest.mark.parametrize("name", WITH_LORA)
def test_an_adapted_layer_keeps_what_one_counts_by_hand(name: str) -> None:
    model = architecture()
    forward, kept = WITH_LORA[name]
    assert kept_by_layers(model, adapted(model, 2), forward) == (kept,) * 3


def test_the_closed_forms_of_llama_8b() -> None:
    model = architecture(
        hidden_size=4096, intermediate_size=14336, num_attention_heads=32, num_key_value_heads=8
    )
    h, q, kv, inner, heads = 4096, 4096, 1024, 14336, 32
    full = 16 * h + 4 * q + 4 * kv + 8 * inner + 4 * heads + 8
    assert kept_by_layers(model, all_of(model), BFLOAT16)[0] == full == 200_840
    lora = full - 4 * h + 2 * 7 * 16
    whole = replace(HALF, casts_inputs=False)
    assert kept_by_layers(model, adapted(model, 16), whole)[0] == lora == 184_680
    assert kept_by_layers(model, adapted(model, 16), HALF)[0] == lora + 6 * h + 2 * q


def test_nothing_is_kept_below_the_first_layer_that_trains() -> None:
    model = architecture()
    last = Trained(frozenset({"model.layers.2.mlp.up_proj.weight"}))
    below, _, above = kept_by_layers(model, last, FLOAT32)
    assert below == 0 < above


def run(**changes: Any) -> Run:
    """Full fine-tuning in float32 on a CPU, ten tokens at once."""
    model = architecture()
    values: dict[str, Any] = {
        "architecture": model,
        "trained": all_of(model),
        "forward": FLOAT32,
        "tokens": 10,
        "scored": 10,
        "base": 4 * TOTAL,
        "count": TOTAL,
        "width": 4,
        "state": 8.0,
    }
    return Run(**{**values, **changes})


# States of 10 tokens in 8 features, with 12 numbers for each.
STATES = 10 * (32 + 48)
BACKWARD = STATES + 10 * 32 + 10 * 100 * (4 + 29) + 4 * 800
"""Of the loss: gradients of the states, a tile in 29 bytes of stages, the gradient of the head."""

ENDS = 32 + 4 + 32 + 2 * 4 * 2 + 8
"""The last norm, the rotations of one head, and an id."""

LAYERS = 3 * IN_FULL["float32"][1]


def test_the_loss_is_the_fullest_moment_of_one_micro_batch() -> None:
    assert in_forward(run()) == STATES + 10 * 100 * (4 + 12)
    assert in_backward(run()) == BACKWARD
    assert memory(run(), 5) == MemoryPlan(
        weights=4 * TOTAL,
        gradients=0,
        optimizer=8 * TOTAL,
        activations=10 * (LAYERS + ENDS),
        logits=BACKWARD,
        buffers=LIBRARIES,
        limit=5,
    )


# Gradients of the states; of the head's weights, a sum, and that times the factor.
FLOWS, HEAD = 10 * 32, 4 * 800

ONCE: Mapping[str, tuple[Mapping[str, Any], float, float]] = {
    # Products and chances of 10 tokens and 100 words.
    "one factor": (
        {"sums_up": True},
        STATES + FLOWS + 1000 * (4 + 4) + HEAD,
        STATES + 2 * FLOWS + 2 * HEAD,
    ),
    # The gradients of the logits wait for their factors, and are scaled by them.
    "many factors": (
        {},
        STATES + FLOWS + 1000 * (4 + 4) + 4 * 1000,
        STATES + 2 * FLOWS + 1000 * (4 + 4) + HEAD + 4 * 1000,
    ),
    "a frozen head": (
        {"trained": Trained()},
        STATES + FLOWS + 1000 * (4 + 4),
        STATES + 2 * FLOWS,
    ),
    # A copy of the head, scores in float32 and their gradient in 16 bits, the product that is added.
    "float32 cast": (
        {"sums_up": True, "forward": replace(CAST, cpu=True)},
        STATES + FLOWS / 2 + 1000 * (2 + 4 + 4 + 2) + 2 * 800 + HEAD + 2 * 800,
        STATES + FLOWS + HEAD + 2 * 800 + HEAD,
    ),
}


@pytest.mark.parametrize("name", ONCE)
def test_a_loss_with_its_gradient_at_once_has_one_tile(name: str) -> None:
    changes, forth, back = ONCE[name]
    found = run(once=True, **changes)
    assert (in_forward(found), in_backward(found)) == (forth, back)


def test_no_more_logits_are_kept_than_the_bound() -> None:
    most = KEPT // 100
    few, many = (run(once=True, scored=n, tokens=n) for n in (most, 2 * most))
    apart = most * (32 + 48 + 32)
    assert in_forward(many) - in_forward(few) == pytest.approx(apart, abs=4 * 100)
    # Fewer tokens than these may have a label, and theirs are kept, which takes more.
    assert in_backward(many) - in_backward(few) == pytest.approx(apart + most * 32, abs=4 * 100)


LOGITS: Mapping[str, tuple[Mapping[str, Any], bool, bool]] = {
    "sft": ({}, True, True),
    "dpo": ({"data.train": "data/preference.jsonl"}, True, True),
    "gkd": ({"algorithm.teacher_model": "three-layers"}, False, False),
}


@pytest.mark.parametrize("name", LOGITS)
def test_a_loss_of_all_words_does_not_take_our_head(name: str, local: Workshop) -> None:
    changes, tiled, once = LOGITS[name]
    base = {"model": "three-layers", "tokenizer.chat_template": "chatml", "data.max_length": 64}
    compiled = local.compile(recipe({**base, "algorithm.type": name, **changes}), "cpu")
    assert compiled.resolved is not None, [each.message for each in compiled.report]
    found = run_of(compiled.resolved)
    assert found is not None
    assert (found.tiled, found.once) == (tiled, once)


def test_gradients_stay_while_they_are_summed_up() -> None:
    assert memory(run(accumulates=True)).gradients == 4 * TOTAL


def test_a_wide_state_makes_the_last_layer_the_fullest_moment() -> None:
    few = memory(run(tokens=1, scored=1))
    assert few.gradients == 4 * TOTAL
    assert few.logits == 0


def test_layers_that_are_computed_again_keep_what_runs_between_them() -> None:
    again = memory(run(checkpointed=1))
    assert again.activations == 10 * (3 * 32 + ENDS)
    every_second = memory(run(checkpointed=2))
    assert every_second.activations == 10 * (2 * 32 + IN_FULL["float32"][1] + ENDS)


def test_weights_that_are_cast_are_there_twice() -> None:
    # Linear layers, not the norms, in two bytes.
    assert copies(run(forward=CAST)) == 2 * 3 * (LAYER - 16)
    assert copies(run(forward=HALF)) == 0


SHARDS: Mapping[str, tuple[Shards, tuple[float, float, float]]] = {
    # Weights, gradients, optimizer, in numbers of bytes for a parameter.
    "ddp": (Shards(4, buckets=True), (4, 4, 8)),
    "zero 1": (Shards(4, optimizer=4), (4, 4, 2)),
    "zero 2": (Shards(4, gradients=4, optimizer=4), (4, 1, 2)),
    "offloaded": (Shards(4, gradients=4, optimizer=4, offloaded_optimizer=True), (4, 1, 0)),
}


@pytest.mark.parametrize("name", SHARDS)
def test_processes_share_what_their_strategy_shards(name: str) -> None:
    shards, parts = SHARDS[name]
    found = memory(run(shards=shards, accumulates=True))
    shared = (found.weights, found.gradients, found.optimizer)
    assert shared == tuple(each * TOTAL for each in parts)


def test_whole_weights_are_gathered_for_two_layers_and_the_ends() -> None:
    found = memory(run(shards=Shards(4, 4, 4, 4, units=True)))
    assert found.weights == TOTAL + 4 * (2 * LAYER + 2 * 800 + 8)


STATES_OF: Mapping[str, tuple[str, Mapping[str, Any], int, float]] = {
    "two numbers": ("adamw_torch_fused", {}, 4, 8),
    "of bfloat16": ("adamw_torch", {}, 2, 4),
    "8 bits, a scale for 256": ("adamw_bnb_8bit", {}, 4, 2 + 2 / 64),
    "4 bits, a scale for 128": ("adamw_torch_4bit", {}, 4, 1 + 2 / 32),
    "bitsandbytes in float32": ("paged_adamw_32bit", {}, 2, 8),
    "lion": ("lion_32bit", {}, 4, 4),
    "lion in 8 bits": ("lion_8bit", {}, 4, 1 + 1 / 64),
    "nothing": ("sgd", {}, 4, 0),
    "momentum": ("sgd", {"momentum": 0.9}, 4, 4),
    "muon": ("muon", {}, 4, 4),
    "three": ("ademamix", {}, 4, 12),
    "rows and columns": ("adafactor", {}, 4, 8 / 512),
    "projected": ("galore_adamw", {"rank": 64}, 4, 8 * 96 / 512),
}


@pytest.mark.parametrize("name", STATES_OF)
def test_an_optimizer_keeps_what_is_published_of_it(name: str) -> None:
    optimizer, options, width, each = STATES_OF[name]
    assert state_bytes(optimizer, options, width, 512) == pytest.approx(each)


def test_an_update_of_all_parameters_at_once_needs_room() -> None:
    assert step_bytes("adamw_torch", 4, cpu=False) == 4
    assert step_bytes("adamw_torch", 4, cpu=True) == 0
    assert step_bytes("adamw_torch_fused", 4, cpu=False) == 0


@pytest.fixture
def local(shop: Workshop) -> Workshop:
    folder = shop.folder / "three-layers"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    vocabulary = {"model": {"vocab": {f"t{n}": n for n in range(95)}}, "added_tokens": []}
    (folder / "tokenizer.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return shop


def told(shop: Workshop, changes: Mapping[str, Any], on: str = "cpu") -> CostPlan:
    base = {"model": "three-layers", "tokenizer.chat_template": "chatml", "data.max_length": 64}
    compiled = shop.compile(recipe({**base, **changes}), on)
    assert compiled.resolved is not None, [each.message for each in compiled.report]
    found = compile_cost(compiled.resolved)
    assert found is not None
    return found


def test_the_cost_of_a_recipe(local: Workshop) -> None:
    batch = {"training.global_batch_size": 16, "training.per_device_train_batch_size": 4}
    cost = told(local, batch)
    assert cost.tokens_per_micro_batch == 4 * 64
    assert cost.tokens_per_step == 16 * 64
    # 6 for each number of a product, and 3.5 x 2 x 64 tokens x 8 features in three layers.
    assert cost.flops_per_token == 6 * (3 * (LAYER - 16) + 800) + 3 * 3.5 * 2 * 64 * 8
    assert cost.checkpoint_bytes == 12 * TOTAL
    assert cost.memory.gradients == 4 * TOTAL
    # The memory of a CPU that has only a name is not known.
    assert cost.memory.limit is None
    assert cost.expected_error == 0.1


def test_an_adapter_needs_no_gradients_of_weights(local: Workshop) -> None:
    cost = told(local, {"adapter.type": "lora", "adapter.r": 1})
    adapter = 3 * (2 * (8 + 8) + 2 * (8 + 4) + 3 * (8 + 20))
    attention = 3 * 3.5 * 2 * 64 * 8
    assert cost.flops_per_token == 4 * (3 * (LAYER - 16) + 800) + 6 * adapter + attention
    assert cost.checkpoint_bytes == 12 * adapter


def test_pairs_are_two_sequences_each_and_have_a_reference(local: Workshop) -> None:
    pairs = {"algorithm": "dpo", "data.train": "data/preference.jsonl"}
    size = {"training.global_batch_size": 4, "training.per_device_train_batch_size": 4}
    cost = told(local, {**pairs, **size})
    assert cost.tokens_per_micro_batch == 2 * 4 * 64
    assert cost.memory.weights == 2 * 4 * TOTAL


def test_a_model_that_is_not_known_has_no_cost(shop: Workshop) -> None:
    compiled = shop.compile(recipe())
    assert compiled.resolved is not None
    assert compile_cost(compiled.resolved) is None


def test_a_cost_is_written_and_read_again(local: Workshop) -> None:
    cost = told(local, {})
    text = json.dumps(to_json(cost))
    assert _decode(json.loads(text), CostPlan, "cost") == cost
