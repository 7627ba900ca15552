"""Rules that compare traits and options of algorithms: each case with the codes that it reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import create, discover
from recipe_runner.components.format import Format
from tests.workshop import Workshop, recipe, workshop

DATA: Mapping[str, str] = {
    "grpo": "data/prompts.jsonl",
    "kto": "data/judged.jsonl",
    "sft": "data/chat.jsonl",
}
"""Rows that an algorithm learns from, where they are not pairs."""

MICRO = "training.per_device_train_batch_size"
EVAL_MICRO = "training.per_device_eval_batch_size"
GLOBAL = "training.global_batch_size"
STEPS = "training.gradient_accumulation_steps"
RATE = "training.learning_rate"
METRIC = "training.metric_for_best_model"
SPLIT = {"data.eval": {"split": 10}}
SYNC = {"sync_ref_model": True}


def using(kind: str, options: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A recipe with rows, and rewards, that suit the algorithm."""
    value = recipe(algorithm={"type": kind, **(options or {})})
    value["data"] = {"train": DATA.get(kind, "data/preference.jsonl")}
    if kind == "grpo":
        value["rewards"] = {"type": "exact_match", "column": "answer"}
    return recipe(changes, **value)


@pytest.mark.parametrize(
    ("kind", "options", "changes", "codes"),
    [
        pytest.param("dpo", {}, {}, [], id="dpo"),
        pytest.param(
            "dpo", {"loss_type": "robust", "label_smoothing": 0.5}, {}, ["RR360"], id="robust"
        ),
        pytest.param("dpo", {"loss_weights": [1, 2]}, {}, ["RR360"], id="a weight too many"),
        pytest.param("dpo", SYNC, {}, [], id="moving reference"),
        pytest.param("dpo", SYNC, {"adapter": "lora"}, ["RR360"], id="reference without adapter"),
        pytest.param("kto", SYNC, {"adapter": "lora"}, ["RR360"], id="kto: the same"),
        pytest.param(
            "kto", {**SYNC, "precompute_ref_log_probs": True}, {}, ["RR360"], id="asked once"
        ),
        pytest.param("grpo", SYNC, {}, ["RR360"], id="no reference to move"),
        pytest.param("kto", {"ref_model_sync_steps": 9}, {}, ["RR361"], id="sync is off"),
        pytest.param("kto", {"precompute_ref_batch_size": 9}, {}, ["RR361"], id="nothing asked"),
        pytest.param(
            "kto", {"desirable_weight": 2, "undesirable_weight": 3}, {}, ["RR361"], id="weights"
        ),
        pytest.param("kto", {"desirable_weight": 2}, {}, [], id="one weight"),
        pytest.param("orpo", {}, {}, ["RR362"], id="orpo"),
        pytest.param("cpo", {"label_smoothing": 0.1}, {}, ["RR362"], id="smoothed"),
        pytest.param(
            "cpo",
            {"loss_type": "hinge", "label_smoothing": 0.1},
            {},
            ["RR362", "RR361"],
            id="hinge is not smoothed",
        ),
        pytest.param(
            "cpo", {"loss_type": "ipo", "beta": 2}, {}, ["RR362", "RR361"], id="ipo with beta 2"
        ),
        pytest.param("simpo", {}, {}, ["RR362"], id="simpo"),
        pytest.param("simpo", {"beta": 0.1}, {}, ["RR362", "RR361"], id="the beta of dpo"),
        pytest.param("simpo", {"cpo_alpha": 1}, {}, ["RR362"], id="cpo-simpo"),
        pytest.param("simpo", {"extra": {"loss_type": "ipo"}}, {}, ["RR362", "RR502"], id="fixed"),
        pytest.param("cpo", {"extra": {"alpha": 0.5}}, {}, ["RR362", "RR502"], id="no shape"),
        pytest.param("alphapo", {"alpha": 0}, {}, ["RR362", "RR361"], id="no alpha"),
        pytest.param("alphapo", {"alpha": -0.25}, {}, ["RR362"], id="alpha below 0"),
        pytest.param("alphapo", {"beta": 0.5}, {}, ["RR362", "RR361"], id="alphapo: beta of dpo"),
        pytest.param("tpo", {}, {}, ["RR362"], id="tpo"),
        pytest.param("tpo", {"loss_type": "tpo-l"}, {}, ["RR362", "RR361"], id="beta of sums"),
        pytest.param("tpo", {"loss_type": "tpo-l", "beta": 2}, {}, ["RR362"], id="tpo-l"),
        pytest.param("tpo", {"tpo_l_gamma": 1}, {}, ["RR362", "RR361"], id="margin of tpo-l"),
        pytest.param("tpo", {"tpo_alpha": 0}, {}, ["RR362", "RR361"], id="nothing to imitate"),
        pytest.param("tpo", {"loss_type": "ipo", "beta": 1}, {}, ["RR362", "RR361"], id="tpo ipo"),
        pytest.param(
            "tpo",
            {"loss_type": "ipo", "label_smoothing": 0.1},
            {},
            ["RR362", "RR361"],
            id="ipo is not smoothed",
        ),
        pytest.param("kto", {}, {MICRO: 1, GLOBAL: 16}, ["RR363"], id="one row at once"),
        pytest.param("kto", {}, {GLOBAL: 11}, ["RR363"], id="11 sequences, one by one"),
        pytest.param(
            "kto",
            {"loss_type": "apo_zero_unpaired"},
            {MICRO: 1, GLOBAL: 16},
            [],
            id="nothing to compare with",
        ),
        pytest.param("kto", {}, {**SPLIT, EVAL_MICRO: 1}, ["RR363"], id="one row evaluates"),
        pytest.param("kto", {}, {EVAL_MICRO: 1}, [], id="nothing evaluates"),
        pytest.param("dpo", {}, {MICRO: 1, GLOBAL: 16}, [], id="a pair is enough"),
        pytest.param("grpo", {"num_generations": 16}, {}, [], id="one prompt in a round"),
        pytest.param("grpo", {"num_generations": 3}, {}, [], id="18 = 3 x 6"),
        pytest.param("grpo", {"num_generations": 3}, {GLOBAL: 16}, ["RR364"], id="16 = 3 x 5.3"),
        pytest.param("grpo", {}, {GLOBAL: 12}, ["RR364"], id="12 = 8 x 1.5"),
        pytest.param("grpo", {"num_generations": 6}, {MICRO: 4, STEPS: 3}, [], id="12 = 6 x 2"),
        pytest.param(
            "grpo", {"steps_per_generation": 3}, {MICRO: 4, GLOBAL: 16}, ["RR364"], id="12 in 3"
        ),
        pytest.param("grpo", {"steps_per_generation": 4}, {MICRO: 4, GLOBAL: 16}, [], id="16 in 4"),
        pytest.param("grpo", {}, SPLIT, [], id="8 evaluate"),
        pytest.param("grpo", {}, {**SPLIT, EVAL_MICRO: 4}, ["RR364"], id="4 evaluate"),
        pytest.param(
            "grpo", {"num_generations_eval": 4}, {**SPLIT, EVAL_MICRO: 4}, [], id="4 of 4"
        ),
        pytest.param("grpo", {}, {EVAL_MICRO: 4}, [], id="none evaluate"),
        pytest.param("reward", {}, {**SPLIT, "score": {"rows": 5}}, ["RR373"], id="numbers"),
        pytest.param("dpo", {}, {**SPLIT, "score": {"rows": 5}}, [], id="words"),
        pytest.param("dpo", {}, {"data.packing": "bfd"}, ["RR332"], id="packed pairs"),
        pytest.param("dpo", {}, {"quantization": "bnb_4bit"}, ["RR311"], id="frozen bits"),
        pytest.param("dpo", {}, {RATE: 2e-5}, ["RR314"], id="the rate of sft"),
        pytest.param("dpo", {}, {RATE: 1e-5, "adapter": "lora"}, [], id="with an adapter"),
        pytest.param("dpo", {}, {RATE: 2e-4, "adapter": "lora"}, ["RR314"], id="as sft with lora"),
        pytest.param("kto", {}, {RATE: 1e-4}, ["RR314"], id="kto, 100 times"),
        pytest.param("reward", {}, {**SPLIT, METRIC: "eval_accuracy"}, [], id="accuracy"),
        pytest.param("dpo", {}, {**SPLIT, METRIC: "eval_accuracy"}, ["RR308"], id="no accuracy"),
    ],
)
def test_rules(
    shop: Workshop,
    kind: str,
    options: dict[str, Any],
    changes: dict[str, Any],
    codes: list[str],
) -> None:
    assert shop.codes(using(kind, options, **changes)) == codes


@pytest.mark.parametrize(
    ("kind", "options", "changes", "on", "said", "help_text"),
    [
        pytest.param(
            "grpo",
            {"num_generations": 5},
            {GLOBAL: 16},
            "cpu",
            "8 sequences x 1 process x 2 steps = 16 answers in a round, which is not a multiple of "
            "the 5 answers to a prompt",
            "`training.global_batch_size` of 15 or 20",
            id="one process",
        ),
        pytest.param(
            "grpo",
            {"num_generations": 6},
            {GLOBAL: 16},
            "4xH100-80GB",
            "4 sequences x 4 processes x 1 step = 16 answers",
            "`training.global_batch_size` of 12 or 24",  # multiples of 6 and of 4 processes
            id="four processes",
        ),
        pytest.param(
            "grpo",
            {},
            {MICRO: 3, STEPS: 2},
            "cpu",
            "3 sequences x 1 process x 2 steps = 6 answers",
            "`training.per_device_train_batch_size` of 4",
            id="accumulation is stated",
        ),
        pytest.param(
            "grpo",
            {"steps_per_generation": 3},
            {MICRO: 4, GLOBAL: 16},
            "cpu",
            "4 sequences x 1 process x 3 steps = 12 answers",
            "`steps_per_generation` of 2 or 4",
            id="steps are stated",
        ),
        pytest.param(
            "grpo",
            {},
            {**SPLIT, EVAL_MICRO: 6},
            "2xH100-80GB",
            "is 6, and 6 x 2 processes = 12 is not a multiple of the 8 answers to a prompt",
            "use 4 or 8",
            id="evaluation",
        ),
        pytest.param(
            "kto",
            {},
            {GLOBAL: 8},
            "8xH100-80GB",
            "is 1 (the largest divisor of 1 sequence per process up to 8), and kto compares at "
            "least 2 rows with each other",
            "make `training.global_batch_size` a multiple of 16",
            id="a batch spread thin",
        ),
        pytest.param(
            "dpo",
            {},
            {RATE: 2e-5},
            "cpu",
            "is 2e-05, 20 times above what is usual for dpo in full, 1e-06: the model leaves its "
            "reference",
            "1e-05 is usual with an adapter",
            id="why the rate is too high",
        ),
        pytest.param(
            "sft",
            {},
            {RATE: 1e-5, "adapter": "lora"},
            "cpu",
            "20 times below what is usual for sft with an adapter, 0.0002: an adapter starts "
            "without an effect",
            "2e-05 is usual in full",
            id="why the rate is too low",
        ),
        pytest.param(
            "kto",
            {"desirable_weight": 4, "undesirable_weight": 2},
            {},
            "cpu",
            "`algorithm.desirable_weight` is 4 and `undesirable_weight` is 2",
            "set one to 1 and the other to 2 (`desirable_weight`)",
            id="weights of the same balance",
        ),
    ],
)
def test_the_numbers_and_the_way_out(
    shop: Workshop,
    kind: str,
    options: dict[str, Any],
    changes: dict[str, Any],
    on: str,
    said: str,
    help_text: str,
) -> None:
    (found,) = shop.compile(using(kind, options, **changes), on).report
    assert said in found.message
    assert help_text in (found.help or "")


def test_an_experimental_trainer_is_pinned_to_what_the_note_says(shop: Workshop) -> None:
    compiled = shop.compile(using("orpo"))
    (note,) = compiled.report
    assert compiled.plan is not None
    (pinned,) = [each for each in compiled.plan.requires if each.versions is not None]
    assert note.severity == "note"
    assert f"{pinned.package} {pinned.versions}" in note.message


@pytest.mark.parametrize(
    ("kind", "options", "decides"),
    [
        (
            "cpo",
            {"loss_type": "hinge"},
            {
                "loss_type": "hinge",
                "beta": 0.1,
                "label_smoothing": 0.0,
                "cpo_alpha": 1.0,
                "alpha": 0.0,
            },
        ),
        (
            "simpo",
            {"simpo_gamma": 0.4},
            {
                "loss_type": "simpo",
                "beta": 2.0,
                "label_smoothing": 0.0,
                "cpo_alpha": 0.0,
                "alpha": 0.0,
                "simpo_gamma": 0.4,
            },
        ),
        (
            "alphapo",
            {"alpha": 0.1},
            {
                "loss_type": "simpo",
                "beta": 2.5,
                "label_smoothing": 0.0,
                "cpo_alpha": 0.0,
                "alpha": 0.1,
                "simpo_gamma": 0.1,
            },
        ),
    ],
    ids=["cpo", "simpo", "alphapo"],
)
def test_the_plan_holds_every_argument_that_decides_the_loss(
    shop: Workshop, kind: str, options: dict[str, Any], decides: dict[str, Any]
) -> None:
    arguments = shop.plan(using(kind, options)).arguments.arguments
    assert {name: arguments[name] for name in decides} == decides


def test_rows_that_are_compared_with_their_neighbours_keep_their_order(shop: Workshop) -> None:
    arguments = shop.plan(using("kto")).arguments.arguments
    assert arguments["train_sampling_strategy"] == "sequential"


GOOD = {"prompt": "2 + 2 =", "completion": " 4", "label": True}
BAD = {**GOOD, "completion": " 5", "label": False}


@pytest.mark.parametrize(
    ("rows", "train", "said"),
    [
        pytest.param([[GOOD] * 20], ["a"], ["all 20 rows are good"], id="good"),
        pytest.param([[BAD] * 20], ["a"], ["all 20 rows are bad"], id="bad"),
        pytest.param([[GOOD] * 3], ["a"], ["all 3 rows are good"], id="a few"),
        pytest.param([[GOOD] * 19 + [BAD]], ["a"], [], id="both"),
        pytest.param([[GOOD] * 2000], ["a"], ["the 1001 rows looked at are good"], id="many"),
        pytest.param([[GOOD] * 1999 + [BAD]], ["a"], [], id="sorted by verdict"),
        pytest.param([[GOOD] * 9, [BAD] * 9], ["a", "b"], [], id="a file of each"),
        pytest.param(
            [[GOOD] * 9, [GOOD] * 12],
            ["a", "b"],
            ["all 9 rows are good", "all 12 rows are good"],
            id="two files of the same",
        ),
        pytest.param(
            [[GOOD] * 10 + [BAD] * 10],
            [{"path": "data/a.jsonl", "limit": 10}],
            ["the 10 rows looked at are good"],
            id="the first rows",
        ),
        pytest.param(
            [[GOOD] * 9],
            ["a", {"path": "org/set", "format": "unpaired_preference"}],
            [],
            id="others on the hub",
        ),
    ],
)
def test_verdicts_of_one_kind(
    tmp_path: Path, rows: list[list[dict[str, Any]]], train: list[Any], said: list[str]
) -> None:
    shop = workshop(tmp_path)
    for name, lines in zip("ab", rows, strict=False):
        text = "".join(json.dumps(row) + "\n" for row in lines)
        (tmp_path / "data" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    sources = [f"data/{each}.jsonl" if isinstance(each, str) else each for each in train]
    report = shop.compile(using("kto", None, **{"data.train": sources})).report
    assert [found.code.id for found in report] == ["RR372"] * len(said)
    assert all(words in found.message for words, found in zip(said, report, strict=True))


ALGORITHMS: list[type[Algorithm]] = list(
    discover("recipe_runner.components.algorithms").values()  # type: ignore[arg-type]
)
FORMATS: list[type[Format]] = list(
    discover("recipe_runner.components.formats").values()  # type: ignore[arg-type]
)


@pytest.mark.parametrize(
    "kind", [k for k in ALGORITHMS if k.sample_rows], ids=lambda kind: kind.type_name()
)
def test_sample_rows_are_recognised_as_what_the_algorithm_learns_from(
    kind: type[Algorithm],
) -> None:
    for row in kind.sample_rows:
        fitting = next(f for f in sorted(FORMATS, key=lambda f: f.rank) if f.recognises(row))
        name = fitting.type_name()
        options = {"type": name, **fitting.recognised_options(row)}
        layout = create("recipe_runner.components.formats", options)
        assert layout.example_shape in kind.example_shapes
        example = layout.to_example(row)
        assert "reference" in example or kind.feed != "triples"
