"""Every valid recipe compiles, to the same plan each time, and the plan adds up."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe_runner import upstream
from recipe_runner.plan import Plan, decode, encode, to_json
from recipe_runner.recipe.json_schema import json_schema
from tests.workshop import Workshop, recipe

SCHEMA = jsonschema.Draft202012Validator(json_schema())


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


def a_number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


LORA = some(
    r=st.integers(1, 256),
    lora_alpha=a_number(0.5, 512),
    lora_dropout=a_number(0, 0.5),
    target_modules=st.sampled_from(["all-linear", ["q_proj", "v_proj"], r".*\.q_proj"]),
    rank_pattern=st.dictionaries(st.sampled_from(["q_proj", "v_proj"]), st.integers(1, 64)),
    use_rslora=st.booleans(),
    init_lora_weights=st.sampled_from([True, False, "gaussian", "orthogonal"]),
    modules_to_save=st.lists(st.sampled_from(["lm_head", "embed_tokens"]), max_size=2),
).map(lambda options: {"type": "lora", **options})
ADAPTERS = st.sampled_from([None, "lora"]) | LORA
QUANTIZATIONS = st.sampled_from(
    [None, "bnb_4bit", "bnb_8bit", {"type": "bnb_4bit", "bnb_4bit_quant_type": "fp4"}]
)
TRAINING = some(
    global_batch_size=st.sampled_from([8, 16, 24, 64]),
    num_train_epochs=a_number(0.1, 5),
    max_steps=st.integers(1, 10_000),
    learning_rate=a_number(1e-7, 1e-2),
    lr_scheduler_type=st.sampled_from(["cosine", "linear", "constant_with_warmup"]),
    warmup_ratio=a_number(0, 0.9),
    weight_decay=a_number(0, 1),
    max_grad_norm=a_number(0, 10),
    optim=st.sampled_from(["adamw_torch", "adamw_8bit", "adafactor"]),
    activation_checkpointing=st.booleans(),
    logging_steps=st.integers(1, 100),
    save_total_limit=st.none() | st.integers(1, 5),
    dataloader_drop_last=st.booleans(),
    loss_watchdog=st.fixed_dictionaries({"threshold": a_number(0.1, 10)}),
)
INTERVALS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"save_steps": 20}, {"saves_per_epoch": 2}, {"save_strategy": "epoch"}]
)
EVALUATIONS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"eval_steps": 20}, {"evals_per_epoch": 2}, {"eval_strategy": "epoch"}]
)
CHAT: st.SearchStrategy[Any] = st.sampled_from(
    ["data/chat.jsonl", ["data/chat.jsonl", {"path": "data/eval.jsonl", "limit": 5}]]
)
DATA = st.fixed_dictionaries(
    {"train": CHAT},
    optional={
        "eval": st.sampled_from([None, {"split": 0.1}, {"split": 5}, "data/eval.jsonl"]),
        "max_length": st.integers(1, 1 << 20),
        "overlong": st.sampled_from(["truncate", "drop", "error"]),
        "packing": st.sampled_from([None, "bfd", "wrapped"]),
        "loss_on": st.sampled_from(["auto", "assistant", "last_assistant", "all"]),
        "shuffle": st.booleans(),
        "num_proc": st.integers(1, 64),
    },
)
MACHINES = st.sampled_from(["cpu", "A100-40GB", "2xH100-80GB", "8xH100-80GB", "4xT4"])


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """Recipes that are valid, on any machine with 1, 2, 4 or 8 processes."""
    data, training = draw(DATA), {**draw(TRAINING), **draw(INTERVALS)}
    if data.get("eval") is not None:
        training |= draw(EVALUATIONS)
    adapter, quantization = draw(ADAPTERS), draw(QUANTIZATIONS)
    sections: dict[str, Any] = {"data": data, "training": training, "adapter": adapter}
    if adapter is not None:
        sections["quantization"] = quantization
    sections["seed"] = draw(st.integers(0, 2**32 - 1))
    return recipe(**sections)


def shuffled(value: Any, order: random.Random) -> Any:
    """The same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


def without_text(plan: Plan) -> Any:
    value = to_json(plan)
    del value["recipe_sha256"]
    return value


@settings(max_examples=50, deadline=None)
@given(value=recipes(), on=MACHINES)
def test_every_valid_recipe_compiles(shop: Workshop, value: dict[str, Any], on: str) -> None:
    SCHEMA.validate(value)
    plan = shop.plan(value, on)
    text = encode(plan)
    assert decode(text) == plan
    assert encode(shop.plan(value, on)) == text
    steps = plan.steps
    assert steps.global_batch_size == steps.per_device * steps.accumulation * steps.processes
    arguments = plan.arguments.arguments
    assert arguments["per_device_train_batch_size"] == steps.per_device
    assert arguments["gradient_accumulation_steps"] == steps.accumulation
    assert set(arguments) <= set(upstream.fields(plan.arguments.target))
    for call in (plan.adapter, plan.quantization):
        assert call is None or set(call.arguments) <= set(upstream.fields(call.target))


@settings(max_examples=20, deadline=None)
@given(value=recipes(), order=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(
    shop: Workshop, value: dict[str, Any], order: random.Random
) -> None:
    plan = without_text(shop.plan(value))
    assert without_text(shop.plan(shuffled(value, order))) == plan


@pytest.mark.parametrize("stated", [{}, {"training.global_batch_size": 48}])
def test_the_global_batch_is_the_same_on_any_machine(shop: Workshop, stated: Any) -> None:
    machines = ("cpu", "H100-80GB", "2xH100-80GB", "4xH100-80GB", "8xH100-80GB")
    plans = [shop.plan(recipe(stated), on) for on in machines]
    assert len({plan.steps.global_batch_size for plan in plans}) == 1
    assert len({plan.steps.total for plan in plans}) == 1
    assert [plan.steps.processes for plan in plans] == [1, 1, 2, 4, 8]


NOT_IN_THE_PLAN = {
    "activations and precision": {
        "fp16_full_eval": "float16 evaluation has no use beside `bf16_full_eval`",
        "gradient_checkpointing": "deprecated name of `activation_checkpointing`",
        "gradient_checkpointing_kwargs": "deprecated name of `activation_checkpointing_kwargs`",
    },
    "decided by execute, which reads the plan": {
        "model_init_kwargs": "the model is loaded from `plan.model`",
        "trust_remote_code": "the model is loaded from `plan.model`",
        "chat_template_path": "the tokenizer is made from `plan.tokenizer`",
        "eos_token": "the tokenizer is made from `plan.tokenizer`",
        "pad_token": "the tokenizer is made from `plan.tokenizer`",
        "dataset_text_field": "rows are tokenized from `plan.data`",
        "dataset_kwargs": "rows are tokenized from `plan.data`",
        "dataset_num_proc": "rows are tokenized from `plan.data`",
        "completion_only_loss": "labels are made from `loss_on` of each source",
        "assistant_only_loss": "labels are made from `loss_on` of each source",
        "shuffle_dataset": "rows are shuffled by the sampler, with the seed",
        "remove_unused_columns": "prepared rows hold nothing else",
        "label_names": "causal language models have one",
        "length_column_name": "prepared rows tell their length themselves",
        "do_train": "a run trains",
        "do_eval": "follows from `eval_strategy`",
        "do_predict": "a run predicts nothing",
        "resume_from_checkpoint": "`--resume` decides",
        "restore_callback_states_from_checkpoint": "callbacks of a run keep no state",
        "ignore_data_skip": "a resumed run goes on with the next row",
        "use_cache": "training has no use for it",
    },
    "decided by the launch": {
        "local_rank": "the environment of each process says it",
        "fsdp": "accelerate's configuration says it",
        "fsdp_config": "accelerate's configuration says it",
        "deepspeed": "accelerate's configuration says it",
        "accelerator_config": "accelerate's configuration says it",
        "parallelism_config": "accelerate's configuration says it",
        "ddp_broadcast_buffers": "language models have no buffers that change",
        "ddp_static_graph": "an experimental promise about the model",
        "dataloader_multiprocessing_context": "the platform's own",
        "dataloader_in_order": "batches come in order, so that a run can be repeated",
    },
    "only with `tracking` or `hub`": {
        "project": "the trackio tracker sets it",
        "trackio_space_id": "the trackio tracker sets it",
        "trackio_bucket_id": "trackio keeps its files in the space",
        "trackio_static_space_id": "trackio keeps its files in the space",
        "push_to_hub": "`hub` sets it",
        "hub_model_id": "`hub` sets it",
        "hub_strategy": "`hub` sets it",
        "hub_private_repo": "`hub` sets it",
        "hub_token": "secrets come from the environment",
        "hub_always_push": "pushes wait for the one before",
        "hub_revision": "results go to the main branch",
    },
    "packing": {"packing_strategy": "`data.packing` sets it"},
    "logging and metrics": {
        "logging_strategy": "logs come every `logging_steps`",
        "log_on_each_node": "the first process logs",
        "log_level": "our own console says what happens",
        "log_level_replica": "our own console says what happens",
        "include_num_input_tokens_seen": "our own counter leaves padding out",
        "skip_memory_metrics": "our own metrics hold the memory",
        "debug": "for developers of transformers",
        "include_for_metrics": "no metric of ours wants more",
        "batch_eval_metrics": "no metric of ours is computed from logits",
        "prediction_loss_only": "the trainer decides from its metrics",
        "eval_do_concat_batches": "no metric of ours is computed from logits",
        "eval_use_gather_object": "no metric of ours is computed from logits",
        "eval_accumulation_steps": "no metric of ours is computed from logits",
    },
    "saving": {
        "save_on_each_node": "machines share the run directory",
        "enable_jit_checkpoint": "signals are ours: Ctrl-C saves",
        "auto_find_batch_size": "the batch is part of the science and never changes in silence",
    },
}
"""Arguments of SFTConfig that the plan of the shortest recipe does not set, and why."""


def test_every_upstream_argument_is_set_or_has_a_reason(shop: Workshop) -> None:
    plan = shop.plan(recipe())
    reasons = [name for group in NOT_IN_THE_PLAN.values() for name in group]
    assert len(reasons) == len(set(reasons))
    known = set(upstream.fields("trl:SFTConfig"))
    assert set(plan.arguments.arguments) | set(reasons) == known
    assert set(plan.arguments.arguments) & set(reasons) == set()
