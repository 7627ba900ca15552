"""What of a plan decides the result of training, and how two plans differ in it.

A checkpoint may be resumed by a plan with the same science on another machine, with
another rhythm of logging and saving; not with other data, another seed or another
learning rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recipe_runner.plan import Plan, to_json
from recipe_runner.plan.joined import SEGMENTS

_SECTIONS = (
    "algorithm",
    "seed",
    "model",
    "tokenizer",
    "quantization",
    "adapter",
    "data",
    "trainer",
    "arguments",
    "feed",
    "models",
    "rewards",
    "optimizer",
)

# Arguments that decide where, when and how fast something happens, not what is learned.
_OPERATIONAL = frozenset(
    {
        "output_dir",
        "run_name",
        "project",
        "report_to",
        "disable_tqdm",
        "log_level",
        "log_level_replica",
        "log_on_each_node",
        "logging_steps",
        "logging_strategy",
        "logging_first_step",
        "logging_nan_inf_filter",
        "save_steps",
        "save_strategy",
        "save_total_limit",
        "save_only_model",
        "save_on_each_node",
        "eval_steps",
        "eval_strategy",
        "eval_delay",
        "eval_on_start",
        "eval_accumulation_steps",
        "eval_do_concat_batches",
        "per_device_eval_batch_size",
        "prediction_loss_only",
        "dataloader_num_workers",
        "dataloader_pin_memory",
        "dataloader_persistent_workers",
        "dataloader_prefetch_factor",
        "dataset_num_proc",
        "ddp_timeout",
        "ddp_backend",
        "ddp_bucket_cap_mb",
        "ddp_broadcast_buffers",
        "ddp_find_unused_parameters",
        "gradient_checkpointing",
        "gradient_checkpointing_kwargs",
        "activation_checkpointing",
        "activation_checkpointing_kwargs",
        "activation_offloading",
        "skip_memory_metrics",
        "include_num_input_tokens_seen",
        "push_to_hub",
        "hub_model_id",
        "hub_strategy",
        "hub_private_repo",
        "hub_always_push",
        "hub_revision",
        "resume_from_checkpoint",
        "restore_callback_states_from_checkpoint",
        # The global batch is compared as a whole: how it is split over devices is the machine's.
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "use_cpu",
        "use_vllm",
        "vllm_mode",
        "vllm_server_base_url",
        "vllm_server_host",
        "vllm_server_port",
        "vllm_server_timeout",
        "vllm_group_port",
        "vllm_gpu_memory_utilization",
        "vllm_tensor_parallel_size",
        "vllm_enable_sleep_mode",
        "ds3_gather_for_generation",
        "fsdp",
        "fsdp_config",
        "deepspeed",
        "accelerator_config",
    }
)
_DATA_OPERATIONAL = frozenset({"num_proc"})


@dataclass(frozen=True)
class Difference:
    """A value that two plans do not share, by its path in the plan."""

    path: str
    there: Any
    here: Any

    def __str__(self) -> str:
        return f"{self.path}: {_show(self.there)} there, {_show(self.here)} here"


def differences(there: Plan, here: Plan) -> tuple[Difference, ...]:
    """The values that decide the result and differ, in the order of their paths."""
    left, right = dict(_leaves(_science(there), "")), dict(_leaves(_science(here), ""))
    paths = sorted(left.keys() | right.keys())
    return tuple(
        Difference(path, left.get(path), right.get(path))
        for path in paths
        if left.get(path) != right.get(path)
    )


def _science(plan: Plan) -> dict[str, Any]:
    whole = {name: to_json(getattr(plan, name)) for name in _SECTIONS}
    arguments = whole["arguments"]["arguments"]
    whole["arguments"] = {k: v for k, v in arguments.items() if k not in _OPERATIONAL}
    whole["data"] = {k: v for k, v in whole["data"].items() if k not in _DATA_OPERATIONAL}
    model = whole["model"]
    if model["load"].get("attn_implementation") == SEGMENTS:
        # What `speed` takes in the place of transformers' own choice, and computes the same.
        whole["model"] = {**model, "load": {**model["load"], "attn_implementation": None}}
    whole["global_batch_size"] = plan.steps.global_batch_size
    return whole


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _show(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
