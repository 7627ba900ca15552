"""Recipes that upstream would refuse after loading, or of which it would pass over an option.

Each case stands beside one that differs in little and is fine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.workshop import Workshop, recipe, workshop

ROWS: Mapping[str, Mapping[str, Any]] = {
    "pairs": {"data.train": "data/preference.jsonl"},
    "judged": {"data.train": "data/judged.jsonl"},
    "steps": {"data.train": "data/steps.jsonl"},
    "prompts": {"data.train": "data/prompts.jsonl"},
    "rewarded": {
        "data.train": "data/prompts.jsonl",
        "rewards": {"type": "exact_match", "column": "answer"},
    },
    "chat": {},
}
"""Rows, with a reward where one has to judge the answers."""

OF: Mapping[str, str] = {
    **dict.fromkeys(("dpo", "cpo", "orpo", "reward", "tpo"), "pairs"),
    **dict.fromkeys(("grpo", "rloo", "ppo", "sdpo", "a2po"), "rewarded"),
    **dict.fromkeys(("distillation", "sdft"), "prompts"),
    "kto": "judged",
    "prm": "steps",
}
TAUGHT = {"teacher_model": "teacher"}
ORDER = "training.train_sampling_strategy"
GPU, GPUS = "H100-80GB", "4xH100-80GB"
SPLIT = {"data.eval": "data/prompts.jsonl", "training.per_device_eval_batch_size": 8}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Data beside models of several vocabularies, with experts and without."""
    made = workshop(tmp_path_factory.mktemp("refused"))
    llama = {"model_type": "llama", "vocab_size": 1000}
    for name, config in {
        "dense": llama,
        "teacher": llama,
        "larger": {**llama, "vocab_size": 32000},
        "experts": {**llama, "model_type": "mixtral", "num_local_experts": 8},
        "inner": {"model_type": "own_vl", "text_config": {**llama, "n_routed_experts": 8}},
    }.items():
        folder = made.folder / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
        (folder / "model.safetensors").write_bytes(b"")
    return made


def using(kind: str, options: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe of an algorithm, with rows that suit it."""
    whole = {"type": kind, **options}
    return recipe({**ROWS[OF.get(kind, "chat")], "algorithm": whole, **changes})


def told(shop: Workshop, value: Mapping[str, Any], on: str) -> list[str]:
    """The codes of a report without its notes."""
    return [found.code.id for found in shop.compile(value, on).report if found.severity != "note"]


Case = tuple[str, Mapping[str, Any], Mapping[str, Any], str, list[str]]

CASES: Mapping[str, Case] = {
    # Rows of several answers have no one length.
    "pairs by length": ("dpo", {}, {ORDER: "group_by_length"}, GPU, ["RR380"]),
    "whole pairs by length": ("reward", {}, {ORDER: "batch_rebalance"}, GPU, ["RR380"]),
    "labelled pairs by length": ("cpo", {}, {ORDER: "group_by_length"}, GPU, ["RR380"]),
    "triples by length": ("tpo", {}, {ORDER: "group_by_length"}, GPU, ["RR380"]),
    "pairs in order": ("dpo", {}, {ORDER: "sequential"}, GPU, []),
    "chats by length": ("sft", {}, {ORDER: "group_by_length"}, GPU, []),
    "steps by length": ("prm", {}, {ORDER: "batch_rebalance"}, GPU, []),
    "prompts by length": ("grpo", {}, {ORDER: "group_by_length"}, GPU, ["RR307"]),
    "verdicts by length": ("kto", {}, {ORDER: "group_by_length"}, GPU, ["RR307"]),
    # A router of no experts.
    **{
        f"{kind} without experts": (
            kind,
            {"router_aux_loss_coef": 0.1},
            {"model": "dense"},
            GPU,
            ["RR381"],
        )
        for kind in ("grpo", "dpo", "kto", "rloo", "ppo", "sft")
    },
    "experts": ("dpo", {"router_aux_loss_coef": 0.1}, {"model": "experts"}, GPU, []),
    "experts inside": ("grpo", {"router_aux_loss_coef": 0.1}, {"model": "inner"}, GPU, []),
    "router off": ("dpo", {"router_aux_loss_coef": 0.0}, {"model": "dense"}, GPU, []),
    "router of the hub": ("dpo", {"router_aux_loss_coef": 0.1}, {}, GPU, []),
    "experts made": (
        "dpo",
        {"router_aux_loss_coef": 0.1},
        {"model": {"name_or_path": "dense", "config_overrides": {"num_experts": 4}}},
        GPU,
        [],
    ),
    # An adapter on the head.
    **{
        f"{kind} with an adapted head": (
            kind,
            TAUGHT if kind == "distillation" else {},
            {"adapter": {"type": "lora", "target_modules": ["q_proj", "lm_head"]}},
            GPU,
            ["RR382"],
        )
        for kind in ("dpo", "kto", "grpo", "rloo", "ppo", "distillation")
    },
    "head by a pattern": (
        "dpo",
        {},
        {"adapter": {"type": "lora", "target_modules": ".*(q_proj|head)"}},
        GPU,
        ["RR382"],
    ),
    "head left out": (
        "dpo",
        {},
        {
            "adapter": {
                "type": "lora",
                "target_modules": ".*(q_proj|head)",
                "exclude_modules": ["lm_head"],
            }
        },
        GPU,
        [],
    ),
    "all layers but the head": ("dpo", {}, {"adapter": "lora"}, GPU, []),
    "head with logits": (
        "cpo",
        {},
        {"adapter": {"type": "lora", "target_modules": ["lm_head"]}},
        GPU,
        [],
    ),
    # Vocabularies.
    **{
        f"{kind} with tokens of its own": (
            kind,
            TAUGHT,
            {"model": "dense", "tokenizer.add_tokens": ["<a>"]},
            GPU,
            ["RR383"],
        )
        for kind in ("gkd", "distillation", "iw_opd", "gold")
    },
    "texts are compared": (
        "gold",
        {**TAUGHT, "use_uld_loss": True},
        {"model": "dense", "tokenizer.add_tokens": ["<a>"]},
        GPU,
        [],
    ),
    "embeddings grow": (
        "gkd",
        TAUGHT,
        {"model": "dense", "tokenizer.resize_embeddings_multiple_of": 64},
        GPU,
        ["RR383"],
    ),
    "embeddings are a multiple": (
        "gkd",
        TAUGHT,
        {"model": "dense", "tokenizer.resize_embeddings_multiple_of": 8},
        GPU,
        [],
    ),
    "reference without the token": (
        "dpo",
        {"ref_model": "teacher"},
        {"model": "dense", "tokenizer.add_tokens": ["<a>"]},
        GPU,
        ["RR383"],
    ),
    "larger reference": ("dpo", {"ref_model": "larger"}, {"model": "dense"}, GPU, ["RR368"]),
    "larger reference of kto": ("kto", {"ref_model": "larger"}, {"model": "dense"}, GPU, ["RR368"]),
    "reference of the family": ("dpo", {"ref_model": "teacher"}, {"model": "dense"}, GPU, []),
    # A CPU.
    **{
        f"{kind} offloads on a CPU": (
            kind,
            {"activation_offloading": True},
            {"launch.use_cpu": True},
            GPU,
            ["RR384"],
        )
        for kind in ("sft", "dpo", "kto", "reward")
    },
    "offloads from a GPU": ("dpo", {"activation_offloading": True}, {}, GPU, []),
    "vllm on a CPU": ("grpo", {"use_vllm": True}, {}, "cpu", ["RR385"]),
    "vllm on a GPU": ("grpo", {"use_vllm": True}, {}, GPU, []),
    # vLLM beside the training.
    "4 processes by 3": (
        "rloo",
        {"use_vllm": True, "vllm_tensor_parallel_size": 3},
        {},
        GPUS,
        ["RR385"],
    ),
    "4 processes by 2": ("rloo", {"use_vllm": True, "vllm_tensor_parallel_size": 2}, {}, GPUS, []),
    "8 bits with vllm": (
        "grpo",
        {"use_vllm": True},
        {"quantization": "bnb_8bit", "adapter": "lora"},
        GPU,
        ["RR385"],
    ),
    "4 bits with vllm": (
        "grpo",
        {"use_vllm": True},
        {"quantization": "bnb_4bit", "adapter": "lora"},
        GPU,
        [],
    ),
    "8 bits beside a server": (
        "grpo",
        {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": "http://host:8000"},
        {"quantization": "bnb_8bit", "adapter": "lora"},
        GPU,
        [],
    ),
    # Evaluation that is not.
    "answers of no evaluation": ("grpo", {"num_generations_eval": 4}, {}, GPU, ["RR307"]),
    "answers of an evaluation": ("grpo", {"num_generations_eval": 4}, SPLIT, GPU, []),
    # Options of generation.
    "no such option": ("grpo", {"generation_kwargs": {"min_tokns": 3}}, {}, GPU, ["RR360"]),
    "another option": ("grpo", {"generation_kwargs": {"min_new_tokens": 3}}, {}, GPU, []),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_told(case: Case, shop: Workshop) -> None:
    kind, options, changes, on, codes = case
    assert told(shop, using(kind, options, changes), on) == codes


@pytest.mark.parametrize(
    ("kind", "options", "changes", "on", "place", "said"),
    [
        pytest.param(
            "rloo",
            {"use_vllm": True, "vllm_tensor_parallel_size": 3},
            {},
            GPUS,
            "3",
            "use 1 or 2 or 4, or `vllm_mode: server`",
            id="sizes that divide",
        ),
        pytest.param(
            "dpo",
            {"ref_model": "larger"},
            {"model": "dense"},
            GPU,
            '"larger"',
            "name a reference of the same family",
            id="a reference",
        ),
        pytest.param(
            "gkd",
            {"teacher_model": "larger"},
            {"model": "dense"},
            GPU,
            '"larger"',
            "name a teacher of the same family",
            id="a teacher",
        ),
    ],
)
def test_the_place_and_the_way_out(
    kind: str,
    options: Mapping[str, Any],
    changes: Mapping[str, Any],
    on: str,
    place: str,
    said: str,
    shop: Workshop,
) -> None:
    text = json.dumps(using(kind, options, changes), indent=1)
    (found,) = (each for each in shop.compile_text(text, on).report if each.severity == "error")
    assert said in (found.help or "")
    assert found.place.span is not None
    line = text.splitlines()[found.place.span.start.line - 1]
    assert line[found.place.span.start.column - 1 :].startswith(place)


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        ("dpo", {}, True),
        ("rloo", {}, False),
        ("grpo", {"beta": 0.04}, False),
        ("sdft", {}, False),
    ],
)
def test_a_reference_is_proposed_where_one_can_be_named(
    kind: str, options: Mapping[str, Any], named: bool, shop: Workshop
) -> None:
    value = using(kind, options, {"model": {"name_or_path": "dense", "random_init": True}})
    (found,) = (each for each in shop.compile(value, GPU).report if each.code.id == "RR370")
    assert ("algorithm.ref_model" in (found.help or "")) is named


@pytest.mark.parametrize(
    ("kind", "longest"),
    [("sdft", None), ("sdpo", None), ("a2po", 700)],
)
def test_prompts_that_are_short_enough_are_not_cut_again(
    kind: str, longest: int | None, shop: Workshop
) -> None:
    plan = shop.plan(using(kind, {}, {"data.max_length": 700}), GPU)
    assert plan.arguments.arguments["max_prompt_length"] == longest
    assert plan.data.max_length == 700


@pytest.mark.parametrize("kind", ["sdft", "sdpo", "a2po"])
def test_a_second_length_of_prompts_is_refused(kind: str, shop: Workshop) -> None:
    for options, code in (
        ({"max_prompt_length": 64}, "RR201"),
        ({"extra": {"max_prompt_length": 64}}, "RR502"),
    ):
        assert code in told(shop, using(kind, options, {}), GPU)


def test_a_cache_of_another_name_is_refused(shop: Workshop) -> None:
    bogus = using("grpo", {"cache_implementation": "bogus"}, {})
    assert shop.compile(bogus, GPU).plan is None
    plan = shop.plan(using("grpo", {"cache_implementation": "static"}, {}), GPU)
    assert plan.arguments.arguments["cache_implementation"] == "static"


OPTIONS: Mapping[str, tuple[str, Mapping[str, Any], list[str]]] = {
    "a name that nobody knows": (
        "grpo",
        {"generation_kwargs": {"min_new_tokns": 3}},
        ["generation_kwargs", "did you mean `min_new_tokens`?"],
    ),
    "a field of the algorithm": (
        "sdft",
        {"generation_kwargs": {"temperature": 0.5}},
        ["generation_kwargs", "`algorithm.temperature`"],
    ),
    "a field by another name": (
        "grpo",
        {"generation_kwargs": {"max_new_tokens": 5}},
        ["generation_kwargs", "`algorithm.max_completion_length`"],
    ),
    "vllm's name of it": (
        "grpo",
        {"use_vllm": True, "generation_kwargs": {"max_tokens": 5}},
        ["generation_kwargs", "`algorithm.max_completion_length`"],
    ),
    "a cache said twice": (
        "rloo",
        {"generation_kwargs": {"cache_implementation": "static"}},
        ["generation_kwargs", "`algorithm.cache_implementation`"],
    ),
    "what the trainer passes itself": (
        "grpo",
        {"generation_kwargs": {"disable_compile": True}},
        ["generation_kwargs", "by the trainer"],
    ),
    "as many answers as it likes": (
        "grpo",
        {"generation_kwargs": {"num_return_sequences": 2}},
        ["generation_kwargs", "by the trainer"],
    ),
    "transformers' name with vllm": (
        "grpo",
        {"use_vllm": True, "generation_kwargs": {"min_new_tokens": 3}},
        ["generation_kwargs", "vLLM answers"],
    ),
    "vllm's name with vllm": ("grpo", {"use_vllm": True, "generation_kwargs": {"seed": 3}}, []),
    "vllm's name without it": (
        "grpo",
        {"generation_kwargs": {"min_tokens": 3}},
        ["generation_kwargs", "no option of transformers"],
    ),
    "batching that nobody knows": (
        "ppo",
        {
            "use_transformers_continuous_batching": True,
            "transformers_continuous_batching_config": {"max_memory_percnt": 0.5},
        },
        ["transformers_continuous_batching_config", "did you mean `max_memory_percent`?"],
    ),
    "batching": (
        "ppo",
        {
            "use_transformers_continuous_batching": True,
            "transformers_continuous_batching_config": {"max_memory_percent": 0.5},
        },
        [],
    ),
}


@pytest.mark.parametrize(("kind", "options", "said"), OPTIONS.values(), ids=OPTIONS)
def test_options_of_generation(
    kind: str, options: Mapping[str, Any], said: list[str], shop: Workshop
) -> None:
    report = [d for d in shop.compile(using(kind, options, {}), GPU).report if d.severity != "note"]
    assert [found.code.id for found in report] == ["RR360"] * bool(said)
    assert all(words in f"{each.message} {each.help}" for each in report for words in said)


IDLE: Mapping[str, tuple[str, Mapping[str, Any], list[str]]] = {
    "sapo": ("grpo", {"sapo_temperature_pos": 2.0}, ["RR361"]),
    "sapo with sapo": ("grpo", {"loss_type": "sapo", "sapo_temperature_pos": 2.0}, []),
    "vespo": ("grpo", {"loss_type": "sapo", "vespo_k_pos": 1.0}, ["RR361"]),
    "vespo with vespo": ("grpo", {"loss_type": "vespo", "vespo_k_pos": 1.0}, []),
    "entropy target": ("grpo", {"entropy_coef": 0.1, "entropy_target": 0.5}, ["RR361"]),
    "adaptive entropy": ("grpo", {"use_adaptive_entropy": True, "entropy_target": 0.5}, []),
    "bounds the wrong way round": (
        "grpo",
        {"use_adaptive_entropy": True, "entropy_coef_min": 2.0},
        ["RR360"],
    ),
    "delta of dapo": ("grpo", {"delta": 4.0}, []),
    "delta of sapo": ("grpo", {"loss_type": "sapo", "delta": 4.0}, ["RR361"]),
    "delta of cispo": ("grpo", {"loss_type": "cispo", "delta": 4.0}, ["RR361"]),
    "bias of no distance": ("grpo", {"use_bias_correction_kl": False}, ["RR361"]),
    "bias of a distance": ("grpo", {"beta": 0.04, "use_bias_correction_kl": False}, []),
    "scale of what is normalized": (
        "grpo",
        {"scale_rewards": "none", "multi_objective_aggregation": "normalize_then_sum"},
        ["RR361"],
    ),
    "tau": ("dpo", {"discopop_tau": 0.1}, ["RR361"]),
    "tau of discopop": ("dpo", {"loss_type": "discopop", "discopop_tau": 0.1}, []),
    "tau of one of two": ("dpo", {"loss_type": ["sft", "discopop"], "discopop_tau": 0.1}, []),
    "alpha": ("dpo", {"f_alpha_divergence_coef": 0.2}, ["RR361"]),
    "alpha of its divergence": (
        "dpo",
        {"f_divergence_type": "alpha_divergence", "f_alpha_divergence_coef": 0.2},
        [],
    ),
    "rate of no values": ("ppo", {"vf_coef": 0.0, "value_learning_rate": 1e-4}, ["RR361"]),
    "clip of no values": ("ppo", {"vf_coef": 0.0, "cliprange_value": 0.5}, ["RR361"]),
    "rate of values": ("ppo", {"value_learning_rate": 1e-4}, []),
}


@pytest.mark.parametrize(("kind", "options", "codes"), IDLE.values(), ids=IDLE)
def test_options_of_what_is_off(
    kind: str, options: Mapping[str, Any], codes: list[str], shop: Workshop
) -> None:
    assert told(shop, using(kind, options, {}), GPU) == codes
