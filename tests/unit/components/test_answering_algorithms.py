"""Algorithms whose model answers prompts or imitates a teacher: options that do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import create

FOLDER = "recipe_runner.components.algorithms"
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "rloo": {},
    "online_dpo": {},
    "a2po": {},
    "distillation": {"teacher_model": "org/teacher"},
    "gkd": {"teacher_model": "org/teacher"},
    "gold": {"teacher_model": "org/teacher"},
    "iw_opd": {"teacher_model": "org/teacher"},
    "sdft": {},
    "sdpo": {},
    "server_distillation": {"teacher_model_server_url": "http://host:8000"},
}
"""The algorithms of these tests, with what they cannot do without."""

SERVER = {"use_vllm": True, "vllm_mode": "server"}


def build(kind: str, options: Mapping[str, Any]) -> Algorithm:
    algorithm: Algorithm = create(FOLDER, {"type": kind, **NEEDED[kind], **options})
    return algorithm


def found(kind: str, options: Mapping[str, Any]) -> list[str]:
    """Fields of the conflicts; those that only warn have a question mark."""
    marks = {"error": "", "warning": "?"}
    return [f"{c.field}{marks[c.severity]}" for c in build(kind, options).conflicts()]


@pytest.mark.parametrize("kind", NEEDED)
def test_the_defaults_go_together(kind: str) -> None:
    assert found(kind, {}) == []


@pytest.mark.parametrize("kind", ["distillation", "gkd", "gold", "server_distillation"])
def test_a_teacher_has_to_be_named(kind: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        create(FOLDER, {"type": kind})


@pytest.mark.parametrize(
    "kind", [kind for kind, needed in NEEDED.items() if "teacher_model" in needed]
)
def test_the_teacher_is_loaded_beside_the_model(kind: str) -> None:
    algorithm = build(kind, {"teacher_model": {"name_or_path": "a", "dtype": "bfloat16"}})
    teacher = algorithm.models()["teacher_model"]
    assert (teacher.name_or_path, teacher.dtype) == ("a", "bfloat16")
    assert "teacher_model" not in algorithm.arguments()


CASES: Mapping[str, tuple[str, Mapping[str, Any], list[str]]] = {
    "vllm is off": (
        "rloo",
        {"vllm_server_port": 1, "vllm_mode": "server"},
        ["vllm_mode?", "vllm_server_port?"],
    ),
    "colocate has no server": (
        "rloo",
        {"use_vllm": True, "vllm_server_port": 1},
        ["vllm_server_port?"],
    ),
    "a server shares no GPU": (
        "rloo",
        {**SERVER, "vllm_enable_sleep_mode": True},
        ["vllm_enable_sleep_mode?"],
    ),
    "a server with an address": (
        "gold",
        {**SERVER, "vllm_server_base_url": "http://a", "vllm_server_port": 1},
        ["vllm_server_port?"],
    ),
    "vllm has its own cache": (
        "sdft",
        {"use_vllm": True, "cache_implementation": "static"},
        ["cache_implementation?"],
    ),
    "vllm needs whole weights": (
        "online_dpo",
        {"use_vllm": True, "ds3_gather_for_generation": False},
        ["ds3_gather_for_generation"],
    ),
    "no reference to move": ("rloo", {"beta": 0.0, "sync_ref_model": True}, ["sync_ref_model"]),
    "bounds the wrong way round": ("rloo", {"reward_clip_range": [1, -1]}, ["reward_clip_range"]),
    "seq_kd is never reached": ("gkd", {"lmbda": 1.0, "seq_kd": True}, ["seq_kd?"]),
    "offline generates nothing": ("gkd", {"lmbda": 0.0, "max_new_tokens": 9}, ["max_new_tokens?"]),
    "the teacher generates": ("gkd", {"lmbda": 0.0, "seq_kd": True, "max_new_tokens": 9}, []),
    "copies of given answers": ("gold", {"num_generations": 2}, ["num_generations?"]),
    "uld is off": (
        "gold",
        {"uld_student_temperature": 2.0, "use_extended_uld": False},
        ["uld_student_temperature?", "use_extended_uld?"],
    ),
    "hybrid is off": (
        "gold",
        {"use_uld_loss": True, "uld_hybrid_matched_weight": 0.5, "beta": 0.1},
        ["uld_hybrid_matched_weight?", "beta?"],
    ),
    "one of two weights": (
        "gold",
        {"use_uld_loss": True, "uld_use_hybrid_loss": True, "uld_hybrid_unmatched_weight": 0.5},
        ["uld_hybrid_unmatched_weight"],
    ),
    "nothing to learn": (
        "gold",
        {"use_uld_loss": True, "uld_distillation_weight": 0.0},
        ["uld_distillation_weight"],
    ),
    "nothing to merge": (
        "gold",
        {"use_uld_loss": True, "use_extended_uld": False, "uld_token_merge_strategy": "bayesian"},
        ["uld_token_merge_strategy?"],
    ),
    "no teacher": ("iw_opd", {"teacher_model": None}, ["teacher_model"]),
    "a server without address": (
        "iw_opd",
        {"teacher_model": None, "use_teacher_server": True},
        ["use_teacher_server"],
    ),
    "a teacher and a server": (
        "iw_opd",
        {"use_teacher_server": True, "teacher_model_server_url": "http://a"},
        ["teacher_model?"],
    ),
    "an address alone": (
        "iw_opd",
        {"teacher_model_server_url": "http://a"},
        ["teacher_model_server_url?"],
    ),
    "iw_opd is on-policy": ("iw_opd", {"lmbda": 0.5}, ["lmbda"]),
    "iw_opd takes drawn tokens": (
        "iw_opd",
        {"reverse_kl_top_1_mode": "argmax"},
        ["reverse_kl_top_1_mode"],
    ),
    "iw_opd needs the model as it is": (
        "iw_opd",
        {"use_vllm": True, "vllm_sync_frequency": 2},
        ["vllm_sync_frequency"],
    ),
    "iw_opd compares no distributions": (
        "iw_opd",
        {"beta": 0.5, "loss_top_k": 5},
        ["beta?", "loss_top_k?"],
    ),
    "jsd weighs nothing": (
        "iw_opd",
        {"distillation_objective": "jsd", "iw_opd_gamma": 1.0, "num_generations": 2, "lmbda": 0.5},
        ["num_generations?", "iw_opd_gamma?"],
    ),
    "jsd of a single token": (
        "iw_opd",
        {"distillation_objective": "jsd", "loss_add_tail": False},
        ["loss_add_tail"],
    ),
    "jsd of all tokens takes none": (
        "iw_opd",
        {"distillation_objective": "jsd", "loss_top_k": 0, "reverse_kl_top_1_mode": "argmax"},
        ["reverse_kl_top_1_mode?"],
    ),
    "a server tells few tokens": (
        "iw_opd",
        {
            "teacher_model": None,
            "use_teacher_server": True,
            "teacher_model_server_url": "http://a",
            "distillation_objective": "jsd",
            "loss_top_k": 0,
            "beta": 0.0,
        },
        ["loss_top_k"],
    ),
    "a server tells one token": (
        "iw_opd",
        {
            "teacher_model": None,
            "use_teacher_server": True,
            "teacher_model_server_url": "http://a",
            "distillation_objective": "jsd",
            "loss_top_k": 5,
        },
        ["loss_top_k"],
    ),
    "a server tells no token of ours": (
        "iw_opd",
        {
            "teacher_model": None,
            "use_teacher_server": True,
            "teacher_model_server_url": "http://a",
            "reverse_kl_top_1_mode": "argmax",
        },
        ["reverse_kl_top_1_mode"],
    ),
    "more tokens for one": ("server_distillation", {"loss_top_k": 5}, ["loss_top_k"]),
    "more tokens for many": ("server_distillation", {"loss_top_k": 5, "beta": 0.0}, []),
    "a token and itself": ("server_distillation", {"loss_add_tail": False}, ["loss_add_tail"]),
    "two tokens": ("server_distillation", {"loss_add_tail": False, "beta": 0.5}, []),
    "a template without the hint": (
        "sdft",
        {"teacher_prompt_template": "{prompt} {answer}"},
        ["teacher_prompt_template", "teacher_prompt_template"],
    ),
    "a template with a lone brace": (
        "sdft",
        {"teacher_prompt_template": "{prompt} {privileged_context} {"},
        ["teacher_prompt_template"],
    ),
    "a template with a brace that is meant": (
        "sdft",
        {"teacher_prompt_template": "{{ {prompt} }} {privileged_context}"},
        [],
    ),
    "one drawn token": ("sdft", {"distillation_mode": "sampled_token"}, ["distillation_alpha"]),
    "how many tokens": ("sdft", {"distillation_topk": None}, ["distillation_topk"]),
    "all tokens": (
        "sdft",
        {"distillation_mode": "full_logits", "distillation_topk": 5, "distillation_add_tail": True},
        ["distillation_topk?", "distillation_add_tail?"],
    ),
    "a teacher that does not move": (
        "sdft",
        {"teacher_update_rate": 0.5},
        ["teacher_update_rate?"],
    ),
    "answers of the teacher": (
        "sdft",
        {"generate_from_teacher": True, "distillation_is_clip": 3.0},
        ["distillation_is_clip?"],
    ),
    "nothing left of an answer": (
        "sdft",
        {"num_loss_tokens_to_skip": 256},
        ["num_loss_tokens_to_skip"],
    ),
    "a teacher on the server": (
        "sdft",
        {"use_teacher_server": True, "distillation_mode": "full_logits"},
        ["use_teacher_server"] * 3,
    ),
    "a live teacher on the server": (
        "sdft",
        {**SERVER, "use_teacher_server": True, "teacher_model_kind": "live"},
        [],
    ),
    "nothing for the teacher to read": (
        "sdpo",
        {"use_successful_as_teacher": False},
        ["use_successful_as_teacher"],
    ),
    "feedback that is not shown": (
        "sdpo",
        {"environment_feedback_only_without_solution": True},
        ["environment_feedback_only_without_solution?"],
    ),
    "feedback that has no place": (
        "sdpo",
        {"include_environment_feedback": True, "reprompt_template": "{prompt}{solution}"},
        ["reprompt_template"],
    ),
    "distillation alone": (
        "sdpo",
        {"epsilon": 0.3, "loss_type": "bnpo"},
        ["loss_type?", "epsilon?"],
    ),
    "no distillation": (
        "sdpo",
        {"distillation_weight": 0.0, "distillation_is_clip": 3.0},
        ["distillation_is_clip?"],
    ),
    "sdpo: one drawn token": ("sdpo", {"distillation_alpha": 0.5}, ["distillation_alpha"]),
    "sdpo: how many tokens": ("sdpo", {"distillation_mode": "topk_logits"}, ["distillation_topk"]),
    "sdpo: not the likeliest": ("sdpo", {"distillation_topk": 5}, ["distillation_topk?"]),
    "sdpo: weighed by length": (
        "sdpo",
        {"distillation_weight": 0.5, "importance_sampling_level": "sequence"},
        ["importance_sampling_level?"],
    ),
    "sdpo: a teacher that does not move": (
        "sdpo",
        {"teacher_model_kind": "base", "teacher_sync_steps": 2},
        ["teacher_sync_steps?"],
    ),
    "sdpo: one answer to evaluate": (
        "sdpo",
        {"num_generations_eval": 1},
        ["num_generations_eval?"],
    ),
    "sdpo: a teacher on the server": (
        "sdpo",
        {
            "use_teacher_server": True,
            "distillation_weight": 0.5,
            "distillation_mode": "full_logits",
        },
        ["use_teacher_server"] * 4,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_options_that_do_not_go_together_are_named(
    case: tuple[str, Mapping[str, Any], list[str]],
) -> None:
    kind, options, expected = case
    assert found(kind, options) == expected


OUT_OF_RANGE: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("rloo", {"num_generations": 1}),
    ("gkd", {"lmbda": 1.5}),
    ("gkd", {"beta": -0.1}),
    ("distillation", {"beta": 1.1}),
    ("gold", {"num_generations": 0}),
    ("gold", {"use_uld_loss": True, "uld_student_temperature": 0.0}),
    ("iw_opd", {"iw_opd_epsilon": 0.0}),
    ("iw_opd", {"iw_opd_gamma": -1.0}),
    ("sdpo", {"distillation_weight": 1.5}),
    ("server_distillation", {"beta": 0.0, "loss_top_k": 0}),
    ("server_distillation", {"teacher_model_server_url": " "}),
)


@pytest.mark.parametrize(("kind", "options"), OUT_OF_RANGE)
def test_values_that_upstream_refuses_are_out_of_range(
    kind: str, options: Mapping[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        build(kind, options)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("sdft", "teacher_prompt_template"),
        ("sdpo", "reprompt_template"),
        ("sdpo", "solution_template"),
        ("sdpo", "feedback_template"),
    ],
)
@pytest.mark.parametrize("behind", [":>999999999999", ":d", "!r", "!x", ":{0}", ":", ""])
def test_a_template_takes_names_alone(kind: str, field: str, behind: str) -> None:
    template = str(getattr(build(kind, {}), field))
    assert "}" in template
    options = {field: template.replace("}", f"{behind}}}", 1)}
    errors = [each for each in found(kind, options) if not each.endswith("?")]
    assert errors == ([] if behind in (":", "") else [field])
