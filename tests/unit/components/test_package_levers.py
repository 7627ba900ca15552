"""What becomes of levers that use kernels of other packages, by what is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.resolve_speed import judge, lever_of, situation_of
from recipe_runner.components.base import discover
from recipe_runner.components.packages import Package
from recipe_runner.plan.kernels import VARLEN_KERNELS
from recipe_runner.plan.launch import THIS_MACHINE
from recipe_runner.recipe.speed import Speed
from tests.workshop import Workshop, recipe, workshop

HERE = Mapping[str, Package]
FLASH: HERE = {"flash-attn": Package("2.8.3")}
LIGER: HERE = {"liger-kernel": Package("0.8.5")}
KERNELS: HERE = {"kernels": Package("0.18.2")}
SLOTH: HERE = {"unsloth": Package("2026.10.9"), "unsloth_zoo": Package("2026.10.9")}
CLASH = "unsloth 2026.10.9 wants trl<=1.15.0, and 1.16.0 is installed"
OURS = ("hub_kernels", "liger", "unsloth")
OTHERS_OFF = {
    name: "off"
    for name in discover("recipe_runner.components.levers")
    if lever_of(name).fuses_layers and name not in OURS
}
LLAMA = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4}


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return workshop(tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "on", "packages", "config", "state", "because"),
    [
        ("attention_kernel", {}, "cpu", FLASH, LLAMA, "not needed", "a CPU has no such"),
        ("attention_kernel", {}, "H100", FLASH, LLAMA, "applied", "flash-attn 2.8.3 is installed"),
        ("attention_kernel", {}, "H100", None, LLAMA, "applied", "is installed there"),
        (
            "attention_kernel",
            {},
            "H100",
            {},
            LLAMA,
            "refused",
            "none of flash-attn-4, flash-attn-3",
        ),
        (
            "attention_kernel",
            {"model.attn_implementation": "kernels-community/flash-attn2"},
            "H100",
            FLASH,
            LLAMA,
            "not needed",
            "names kernels-community/flash-attn2",
        ),
        (
            "attention_kernel",
            {"data.packing": "bfd"},
            "H100",
            FLASH,
            LLAMA,
            "applied",
            "flash-attn 2.8.3",
        ),
        (
            "attention_kernel",
            {"speed.padding_free": "off"},
            "H100",
            FLASH,
            LLAMA,
            "not needed",
            "rows are padded",
        ),
        (
            "attention_kernel",
            {"launch.mixed_precision": "no"},
            "H100",
            FLASH,
            LLAMA,
            "refused",
            "in float32",
        ),
        (
            "attention_kernel",
            {},
            "H100",
            FLASH,
            {"head_dim": 288},
            "refused",
            "heads have 288 values",
        ),
        ("liger", {}, "cpu", LIGER, LLAMA, "not needed", "for GPUs"),
        ("liger", {}, "H100", LIGER, LLAMA, "applied", "liger-kernel 0.8.5 is installed"),
        ("liger", {}, "H100", None, LLAMA, "applied", "if liger-kernel is installed there"),
        ("liger", {}, "H100", {}, LLAMA, "refused", "liger-kernel is not installed"),
        ("liger", {}, "H100", LIGER, {"model_type": "bloom"}, "refused", "bloom has not been"),
        ("liger", {"launch.strategy": "fsdp"}, "2xH100", LIGER, LLAMA, "refused", "spread"),
        ("hub_kernels", {}, "H100", KERNELS, LLAMA, "refused", "compiled code from the Hub"),
        ("hub_kernels", {}, "H100", {}, LLAMA, "refused", "kernels is not installed"),
        ("unsloth", {}, "cpu", SLOTH, LLAMA, "refused", "needs a GPU"),
        ("unsloth", {}, "H100", {}, LLAMA, "refused", "unsloth is not installed"),
        (
            "unsloth",
            {},
            "H100",
            {"unsloth": Package("2026.10.9", CLASH)},
            LLAMA,
            "refused",
            CLASH,
        ),
        ("unsloth", {}, "H100", SLOTH, LLAMA, "refused", "numbers are its own"),
        ("unsloth", {}, "2xH100", SLOTH, LLAMA, "refused", "one process"),
        ("unsloth", {"adapter": "ia3"}, "H100", SLOTH, LLAMA, "refused", "not ia3"),
        ("unsloth", {}, "H100", SLOTH, {"model_type": "phi3"}, "refused", "no kernels for phi3"),
    ],
)
def test_what_becomes_of_a_lever(
    name: str,
    changes: dict[str, Any],
    on: str,
    packages: HERE | None,
    config: dict[str, Any],
    state: str,
    because: str,
    shop: Workshop,
) -> None:
    resolved = shop.compile(recipe(changes), on).resolved
    assert resolved is not None
    situation = situation_of(resolved.recipe, resolved.machine, resolved.around)
    joins = any(each.name == "padding_free" and each.state == "applied" for each in resolved.levers)
    given = replace(situation, packages=packages, config=config, without_padding=joins)
    found = lever_of(name).judge(given)
    assert (found.state, because in found.because) == (state, True), found


@pytest.mark.parametrize(
    ("speed", "applied", "told"),
    [
        ({}, {"liger"}, {"hub_kernels": "liger fuses the layers"}),
        (
            {"hub_kernels": "on"},
            {"hub_kernels"},
            {"liger": "hub_kernels fuses the layers"},
        ),
        (
            {"unsloth": "on"},
            {"unsloth"},
            {
                "liger": "unsloth makes the model",
                "padding_free": "unsloth makes the model",
                "attention_kernel": "unsloth makes the model",
            },
        ),
    ],
    ids=["auto", "hub", "unsloth"],
)
def test_one_lever_fuses_the_layers_and_that_which_the_recipe_names_comes_first(
    speed: dict[str, Any], applied: set[str], told: dict[str, str], shop: Workshop
) -> None:
    resolved = shop.compile(recipe(), "H100").resolved
    assert resolved is not None
    asked = resolved.recipe.model_copy(update={"speed": Speed(**{**OTHERS_OFF, **speed})})
    around = replace(resolved.around, packages={**FLASH, **LIGER, **KERNELS, **SLOTH})
    machine = replace(resolved.machine, source=THIS_MACHINE)
    found = {each.name: each for each in judge(asked, machine, around)}
    fusing = {name for name in found if lever_of(name).fuses_layers}
    assert {name for name in fusing if found[name].state == "applied"} == applied
    for name, because in told.items():
        assert found[name].state == "not needed"
        assert because in found[name].because


def test_what_is_installed_here_says_nothing_of_another_machine(shop: Workshop) -> None:
    resolved = shop.compile(recipe(), "H100").resolved
    assert resolved is not None
    around = replace(resolved.around, packages={})
    there = situation_of(resolved.recipe, resolved.machine, around)
    here = situation_of(resolved.recipe, replace(resolved.machine, source=THIS_MACHINE), around)
    assert there.packages is None
    assert here.packages == {}


def test_hub_code_and_unsloth_are_not_proposed(shop: Workshop) -> None:
    paths = {each.path for each in shop.plan(recipe(), "H100").speed.proposals}
    assert not paths & {"speed.hub_kernels", "speed.unsloth"}


@pytest.mark.parametrize(
    ("package", "capability", "head", "fits"),
    [
        ("flash-attn-4", (9, 0), 128, True),
        ("flash-attn-4", (8, 0), 128, False),
        ("flash-attn-4", (10, 0), 192, False),
        ("flash-attn-3", (9, 0), 256, True),
        ("flash-attn-3", (10, 0), 128, False),
        ("flash-attn", (8, 0), 96, True),
        ("flash-attn", (7, 5), 96, False),
        ("flash-attn", (8, 9), 100, False),
    ],
)
def test_where_a_kernel_runs(
    package: str, capability: tuple[int, int], head: int, fits: bool
) -> None:
    kernel = next(each for each in VARLEN_KERNELS if each.package == package)
    why = kernel.why_not_on(capability) or kernel.why_not_for(head)
    assert (why is None) == fits
