"""How long a step takes, against sums done by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.estimate import modules_of
from recipe_runner.compiler.estimate.activations import Forward, Trained, kept_at_ends
from recipe_runner.compiler.estimate.duration import (
    Load,
    Speeds,
    seconds_by_part,
    seconds_per_step,
)
from recipe_runner.compiler.estimate.run import Run
from recipe_runner.compiler.estimate.work import work_of
from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import Compiled, compile_text
from recipe_runner.plan import CostPlan, MachinePlan
from tests.unit.compiler.test_memory import CONFIG, LAYER, TOTAL
from tests.workshop import Workshop, recipe

MODEL = modules_of(CONFIG)
assert MODEL is not None
SPEEDS = Speeds(flops=1e9, bandwidth=1e8)
RUN = Run(
    architecture=MODEL,
    trained=Trained(frozenset(MODEL.parameters)),
    forward=Forward(4, 4, cpu=True, length=50),
    tokens=200,
    scored=200,
    base=4 * TOTAL,
    count=TOTAL,
    width=4,
    state=8,
)
# What a layer keeps is counted in `test_memory`: 632 bytes a token in float32.
KEPT = 3 * 632


def test_a_step_in_full_float32() -> None:
    parts = seconds_by_part(RUN, Load(), SPEEDS)
    ends = kept_at_ends(RUN.architecture, RUN.trained, RUN.forward)
    # Two operations for each number of a product, three times; at 0.9 of the rate.
    assert parts["products"] == pytest.approx(6 * (3 * (LAYER - 16) + 800) * 200 / 0.9e9)
    # 3.5 times 2 x 50 tokens x 8 features in three layers, at 0.4.
    assert parts["attention"] == pytest.approx(3 * 3.5 * 2 * 50 * 8 * 200 / 0.4e9)
    # What is kept moves six times.
    assert parts["activations"] == pytest.approx(6 * (KEPT + ends) * 200 / 1e8)
    # 80 bytes for each of 200 x 100 logits.
    assert parts["loss"] == pytest.approx(80 * 200 * 100 / 1e8)
    # Weights are read forth and back, gradients written.
    assert parts["weights"] == pytest.approx((2 + 1) * 4 * TOTAL / 1e8)
    # Weights, gradients and two moments are read, all but gradients written: 28 bytes; and 12 more
    # for the norm of the gradients.
    assert parts["optimizer"] == pytest.approx(40 * TOTAL / 1e8)


def test_a_step_is_its_micro_batches_and_one_update() -> None:
    run = replace(RUN, accumulates=True)
    parts = seconds_by_part(run, Load(micro_batches=4), SPEEDS)
    each = sum(parts.values()) - parts["optimizer"]
    told = seconds_per_step(run, Load(micro_batches=4), SPEEDS)
    assert told == pytest.approx(4 * each + parts["optimizer"])
    # Gradients are added to those that are there.
    assert parts["weights"] == pytest.approx((2 + 3) * 4 * TOTAL / 1e8)


@pytest.mark.parametrize(("every", "share"), [(1, 1.0), (2, 2 / 3)])
def test_checkpointing_goes_forward_once_more(every: int, share: float) -> None:
    again = replace(RUN, checkpointed=every)
    usual, more = (seconds_by_part(run, Load(), SPEEDS) for run in (RUN, again))
    forward = 2 * 3 * (LAYER - 16) * 200 / 0.9e9
    assert more["products"] - usual["products"] == pytest.approx(share * forward)
    ratio = (3.5 + share) / 3.5
    assert more["attention"] / usual["attention"] == pytest.approx(ratio)


def test_a_mask_makes_all_scores() -> None:
    masked = replace(RUN, forward=replace(RUN.forward, masked=True))
    usual, more = (seconds_by_part(run, Load(), SPEEDS) for run in (RUN, masked))
    assert more["attention"] == pytest.approx(2 * usual["attention"])


def test_a_reference_is_a_forward_pass() -> None:
    work = work_of(RUN.architecture, RUN.trained, 0, 50)
    usual, more = (
        seconds_by_part(RUN, Load(compares=compares), SPEEDS) for compares in (False, True)
    )
    forward = (work.layers_forward + 2 * 800) * 200 / 0.9e9
    assert more["products"] - usual["products"] == pytest.approx(forward)


def test_weights_in_4_bits_are_unpacked_for_each_pass() -> None:
    usual, more = (seconds_by_part(RUN, Load(packed=n), SPEEDS) for n in (0, 1000))
    assert more["weights"] - usual["weights"] == pytest.approx(2 * 2.5 * 1000 / 1e8)


def test_a_gpu_waits_for_python() -> None:
    fast = Speeds(flops=1e15, bandwidth=1e13)
    run = replace(RUN, forward=Forward(2, 2, length=50))
    update = seconds_by_part(run, Load(), fast)["optimizer"]
    assert seconds_per_step(run, Load(), fast) == pytest.approx(3 * 22e-3 / 36 + update)


def measured(name: str) -> MachinePlan:
    return replace(
        machine(name), flops={"float32": 1e12, "bfloat16": 1e13}, bandwidth=1e11, source="m.yaml"
    )


def compiled(shop: Workshop, on: MachinePlan, **sections: object) -> Compiled:
    base = recipe({"model": "Qwen/Qwen3-0.6B", **sections})
    text = json.dumps(base)
    return compile_text(text, "recipe.yaml", on, cwd=shop.folder)


def cost(shop: Workshop, on: MachinePlan, **sections: object) -> CostPlan:
    found = compiled(shop, on, **sections)
    assert found.resolved is not None, [each.message for each in found.report]
    told = compile_cost(found.resolved)
    assert told is not None
    return told


def test_a_machine_that_was_not_measured_has_no_time(shop: Workshop) -> None:
    told = cost(shop, machine("cpu"))
    assert (told.seconds_per_step, told.time_error, told.tokens_per_second) == (None, None, None)


def test_the_rate_is_that_of_the_type_of_the_products(shop: Workshop) -> None:
    slow = cost(shop, measured("cpu")).seconds_per_step
    fast = cost(shop, measured("cpu"), **{"launch.mixed_precision": "bf16"}).seconds_per_step
    assert slow is not None
    assert fast is not None
    assert fast < 0.5 * slow
    partly = replace(measured("cpu"), flops={"bfloat16": 1e13})
    assert cost(shop, partly).seconds_per_step is None


def test_processes_on_a_cpu_share_it(shop: Workshop) -> None:
    # One row of each, so that a process has the same to do, at half of the rate.
    one, two = (
        cost(
            shop,
            measured("cpu"),
            **{
                "training.per_device_train_batch_size": 1,
                "training.global_batch_size": count,
                "launch.num_processes": count,
                "speed": "off",
            },
        )
        for count in (1, 2)
    )
    assert one.seconds_per_step is not None
    assert two.seconds_per_step == pytest.approx(2 * one.seconds_per_step, rel=0.05)
    assert (one.time_error, two.time_error) == (0.2, 0.4)


def test_answers_take_a_time_of_their_own(shop: Workshop) -> None:
    told = cost(
        shop,
        measured("1xH100"),
        **{
            "algorithm": "grpo",
            "data.train": "data/prompts.jsonl",
            "rewards": "exact_match",
        },
    )
    assert told.seconds_per_step is None


def test_a_cpu_run_on_a_machine_with_gpus_has_no_time(shop: Workshop) -> None:
    told = cost(shop, measured("1xH100"), **{"launch.use_cpu": True})
    assert told.seconds_per_step is None
