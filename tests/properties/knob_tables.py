"""Recipes in which a leaf of the schema counts, values that its type does not tell, and machines.

Each table is read by the id of a knob, such as `adapter(lora).r`, or by the beginning of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import discover
from recipe_runner.components.other_model import OtherModel
from recipe_runner.components.quantization import Quantization
from recipe_runner.recipe.fields import SchemaField

EVAL = {"data.eval": "data/eval.jsonl"}
HUB = {"data.train.path": "org/set", "data.train.format": "messages"}
HUB_EVAL = {"data.eval.path": "org/eval", "data.eval.format": "messages"}
EVAL_SET = {"data.eval.path": "data/eval.jsonl"}
PAIRS = {"data.train.format": "prompt_completion"}
EVAL_PAIRS = {"data.eval.format": "prompt_completion"}
PLACES = {"data.train.format.prompt": "{q}", "data.train.format.completion": "{a}"}
TURNS = {**PLACES, "data.train.format.render": "chat"}
EVAL_PLACES = {"data.eval.format.prompt": "{q}", "data.eval.format.completion": "{a}"}
EVAL_TURNS = {**EVAL_PLACES, "data.eval.format.render": "chat"}
TWO = {"launch.num_processes": 2}
WORKERS = {"training.dataloader_num_workers": 2}
MODULES = {"adapter.target_modules": ["q_proj"]}
LORA = {"adapter.type": "lora"}
ADAPTERS = tuple(discover("recipe_runner.components.adapters"))
MACHINES = {"launch.num_machines": 2, "launch.main_process_ip": "10.0.0.1"}

ROWS: Mapping[str, str] = {
    "conversation": "data/chat.jsonl",
    "prompt_completion": "data/pairs.jsonl",
    "preference": "data/preference.jsonl",
    "unpaired_preference": "data/judged.jsonl",
    "stepwise": "data/steps.jsonl",
    "prompt": "data/prompts.jsonl",
}
"""Rows of each shape that an algorithm learns from."""

GRPO = {
    "algorithm.type": "grpo",
    # Columns of rows that are elsewhere are not known, so a reward may ask for any.
    "data.train": {"path": "org/set", "format": "prompt"},
}
LEARNS: Mapping[str, Mapping[str, Any]] = {
    "preference": {"algorithm": "dpo"},
    "unpaired_preference": {"algorithm": "kto"},
    "stepwise": {"algorithm": "prm"},
    "prompt": {"algorithm": "grpo", "rewards": "length"},
}
"""An algorithm that learns from rows of a format, where `sft` does not."""


KINDS: Mapping[str, type[Algorithm]] = discover("recipe_runner.components.algorithms")  # type: ignore[assignment]


def company_of(kind: type[Algorithm]) -> dict[str, Any]:
    """What a recipe of an algorithm has at least: rows, rewards and models that it needs."""
    found: dict[str, Any] = {
        "algorithm.type": kind.type_name(),
        "data.train": ROWS[kind.example_shapes[0]],
    }
    if kind.rewarded:
        found["rewards"] = "length"
    if "teacher_model" in kind.model_fields:
        found["algorithm.teacher_model"] = "org/other"
    return found


def _with_other_models() -> dict[str, Mapping[str, Any]]:
    """Recipes in which a model beside the one that trains is named, by its path in the recipe."""
    found: dict[str, Mapping[str, Any]] = {}
    for kind in KINDS.values():
        for name in kind.model_fields:
            if OtherModel in SchemaField(kind, name).sections:
                named = {f"algorithm.{name}.name_or_path": "org/other"}
                company = {k: v for k, v in company_of(kind).items() if k != f"algorithm.{name}"}
                found.setdefault(f"algorithm.{name}.", {**company, **named})
    judge = {"rewards.type": "model", "rewards.model.name_or_path": "org/other"}
    return {**found, "rewards.model.": {**GRPO, **judge}}


ASKED = {"algorithm.teacher_model_server_url": "http://localhost:8001"}
BY_SERVER = {**ASKED, "algorithm.teacher_model": None, "algorithm.use_teacher_server": True}
JSD = {"algorithm.distillation_objective": "jsd"}
FEEDBACK = {"algorithm.include_environment_feedback": True}
FULL = {"launch.mixed_precision": "no"}
ON_GPU = (
    *(
        f"algorithm({name}).activation_offloading"
        for name in ("dpo", "gkd", "gold", "kto", "reward", "sft")
    ),
    "algorithm(distillation).use_vllm",
)
"""Options that a machine without a GPU cannot have."""

SERVED = {
    **FULL,
    "algorithm.use_vllm": True,
    "algorithm.vllm_mode": "server",
    "algorithm.teacher_model_kind": "live",
}


def _by_name(start: str, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {f"{start}{name}": table for name, table in tables.items()}


QUANTIZATIONS: Mapping[str, type[Quantization]] = discover(  # type: ignore[assignment]
    "recipe_runner.components.quantizations"
)
GPU_ONLY = tuple(f"quantization({name})" for name, kind in QUANTIZATIONS.items() if kind.needs_gpu)
FOR_INFERENCE = tuple(
    f"quantization({name})"
    for name, kind in QUANTIZATIONS.items()
    if not kind.adapter_trains and "dequantize" not in kind.model_fields
)
"""Quantizations through which nothing trains, whatever their options."""

COMPANY: Mapping[str, Mapping[str, Any]] = {
    **_with_other_models(),
    "speed.adapter_inputs": {"adapter": "lora", "launch.mixed_precision": "bf16"},
    **{
        f"data.train.format({name})": {"data.train.path": "org/set", **learns}
        for name, learns in LEARNS.items()
    },
    **{
        f"data.eval.format({name})": {
            "data.train": ROWS[name],
            "data.eval.path": "org/set",
            **learns,
        }
        for name, learns in LEARNS.items()
    },
    "quantization(": {"adapter": "lora"},
    **{key: {"adapter": "lora", **FULL} for key in GPU_ONLY},
    "quantization(mxfp4).modules_to_not_convert": {
        "adapter": "lora",
        "quantization.dequantize": True,
    },
    "quantization(torchao).quant_type": {"adapter": "lora", **FULL},
    "quantization(torchao).group_size": {
        "adapter": "lora",
        "quantization.quant_type": "int4_weight_only",
        **FULL,
    },
    "data.train.format(": {"data.train.path": "org/set"},
    "data.train.source(": {"data.train.format": "messages"},
    "data.train.source(arrow)": {"data.train.path": "data/pairs.csv", **PAIRS},
    "data.train.source(csv)": {"data.train.path": "data/pairs.csv", **PAIRS},
    "data.train.source(text)": {"data.train.path": "data/book.txt", "data.train.format": "text"},
    "data.train.format(template).": {"data.train.path": "org/set", **PLACES},
    "data.train.format(template).text": {
        "data.train.path": "org/set",
        "data.train.format.text": "{a}",
    },
    "data.train.format(template).syntax": {
        "data.train.path": "org/set",
        "data.train.format.text": "{q} {{ q }}",
    },
    "data.train.format(template).system": {"data.train.path": "org/set", **TURNS},
    "data.train.format(template).images_column": {"data.train.path": "org/set", **TURNS},
    "data.train.path": HUB,
    "data.train.columns": HUB,
    "data.train.name": HUB,
    "data.train.split": HUB,
    "data.train.revision": HUB,
    "data.train.data_files": HUB,
    "data.streaming": {"training.max_steps": 9},
    "data.shuffle_buffer": {"training.max_steps": 9, "data.streaming": True},
    "data.eval.": EVAL_SET,
    "data.eval.format(": {"data.eval.path": "org/set"},
    "data.eval.format(template).": {"data.eval.path": "org/set", **EVAL_PLACES},
    "data.eval.format(template).text": {
        "data.eval.path": "org/set",
        "data.eval.format.text": "{a}",
    },
    "data.eval.format(template).syntax": {
        "data.eval.path": "org/set",
        "data.eval.format.text": "{q} {{ q }}",
    },
    "data.eval.format(template).system": {"data.eval.path": "org/set", **EVAL_TURNS},
    "data.eval.format(template).images_column": {"data.eval.path": "org/set", **EVAL_TURNS},
    "data.eval.source(": {**EVAL_SET, "data.eval.format": "messages"},
    "data.eval.source(arrow)": {"data.eval.path": "data/pairs.csv", **EVAL_PAIRS},
    "data.eval.source(csv)": {"data.eval.path": "data/pairs.csv", **EVAL_PAIRS},
    "data.eval.source(text)": {"data.eval.path": "data/book.txt", "data.eval.format": "text"},
    "data.eval.path": HUB_EVAL,
    "data.eval.columns": HUB_EVAL,
    "data.eval.name": HUB_EVAL,
    "data.eval.split": HUB_EVAL,
    "data.eval.revision": HUB_EVAL,
    "data.eval.data_files": HUB_EVAL,
    "data.deduplicate.threshold": {"data.deduplicate.method": "near"},
    "data.leakage": EVAL,
    "data.mix.": {"data.train": ["data/chat.jsonl", "data/eval.jsonl"]},
    "data.mix.stopping_strategy": {
        "data.train": ["data/chat.jsonl", "data/eval.jsonl"],
        "data.mix.strategy": "interleave",
    },
    "data.eval(EvalSplit).split": {"data.eval": {"split": 0.25}},
    "data.eval_packing": {**EVAL, "data.packing": "bfd"},
    "training.eval_": EVAL,
    "training.evals_per_epoch": EVAL,
    "training.load_best_model_at_end": EVAL,
    "training.early_stopping_patience": EVAL,
    "training.early_stopping_threshold": {**EVAL, "training.early_stopping_patience": 2},
    "training.liger_kernel_config": {"training.use_liger_kernel": True},
    "training.activation_checkpointing_kwargs": {"training.activation_checkpointing": True},
    "training.optim_target_modules": {
        "training.optim": "galore_adamw",
        "training.optim_target_modules": "all-linear",
        "training.save_only_model": True,
    },
    "training.torch_compile_": {"training.torch_compile": True},
    "training.loss_watchdog.": {"training.loss_watchdog.threshold": 5.0},
    "training.loraplus_lr_ratio": LORA,
    "training.loraplus_lr_embedding": {**LORA, "training.loraplus_lr_ratio": 16.0},
    "training.dataloader_prefetch_factor": WORKERS,
    "training.dataloader_persistent_workers": WORKERS,
    "training.ddp_backend": TWO,
    **{f"adapter({name}).layers_to_transform": MODULES for name in ADAPTERS},
    **{
        f"adapter({name}).layers_pattern": {**MODULES, "adapter.layers_to_transform": [0]}
        for name in ADAPTERS
    },
    **{f"adapter.{section}.": LORA for section in ("kasa_config", "monteclora_config")},
    **{f"adapter.{section}.": LORA for section in ("velora_config", "bdlora")},
    **{
        f"adapter.{start}_config.": {**LORA, **MODULES, "adapter.init_lora_weights": start}
        for start in ("corda", "eva", "lora_ga")
    },
    "adapter.loftq_config.": {
        **LORA,
        "adapter.init_lora_weights": "loftq",
        "quantization": "bnb_4bit",
    },
    "adapter(continued).path": {"adapter.type": "continued", "adapter.path": "adapters/a"},
    "model.adapter.": {"model.adapter.path": "adapters/a", "adapter": "lora"},
    "adapter(lora).qalora_group_size": {**LORA, "adapter.use_qalora": True},
    "adapter(lora).init_rows": {**LORA, "adapter.init_lora_weights": "eva"},
    "adapter(adalora).": {"training.save_only_model": True},
    # A knob that names a type turns from another one, which may be that.
    **{f"adapter({name}).type": {"training.save_only_model": True} for name in ADAPTERS},
    "adapter(adalora).layers_to_transform": {**MODULES, "training.save_only_model": True},
    "adapter(adalora).layers_pattern": {
        **MODULES,
        "adapter.layers_to_transform": [0],
        "training.save_only_model": True,
    },
    "adapter(boft).boft_block_num": {"adapter.boft_block_size": 0},
    "adapter(oft).r": {"adapter.oft_block_size": 0},
    "adapter(prompt_tuning).prompt_tuning_init_text": {
        "adapter.prompt_tuning_init": "TEXT",
        "adapter.prompt_tuning_init_text": "a start",
    },
    "adapter(supertuning).lora_alpha": {"adapter.r": 4},
    "adapter(supertuning).lora_dropout": {"adapter.r": 4},
    "score.": EVAL,
    "rewards(model).": {"rewards.model": "org/judge"},
    **_by_name(
        "algorithm(server_distillation).",
        {
            "": ASKED,
            "loss_top_k": {**ASKED, "algorithm.beta": 0.0},
            "loss_add_tail": {**ASKED, "algorithm.beta": 0.5},
        },
    ),
    **_by_name(
        "algorithm(iw_opd).",
        {
            "teacher_model_server_url": BY_SERVER,
            "reverse_kl_top_1_mode": JSD,
            "lmbda": JSD,
        },
    ),
    "algorithm(sdpo).use_successful_as_teacher": FEEDBACK,
    "algorithm(sdpo).feedback_template": FEEDBACK,
    "algorithm(sdpo).distillation_mode": {"algorithm.distillation_topk": 20},
    "algorithm(sdpo).distillation_alpha": {"algorithm.distillation_mode": "full_logits"},
    **dict.fromkeys(ON_GPU, FULL),
    **{
        f"algorithm({name}).num_generations_eval": {
            "data.eval": "data/prompts.jsonl",
            "training.per_device_eval_batch_size": 8,
        }
        for name in KINDS
    },
    "algorithm(sdpo).use_teacher_server": SERVED,
    "algorithm(sdft).use_teacher_server": SERVED,
    "rewards(python).": {"rewards.path": "judge.py", "rewards.function": "judge"},
    "algorithm(grpo).sync_ref_model": {"algorithm.beta": 0.04},
    "hub.": {"hub.hub_model_id": "org/result"},
    "launch.strategy(": TWO,
    "launch.strategy(single)": {},
    "launch.strategy(deepspeed).zero3_": {**TWO, "launch.strategy.zero_stage": 3},
    "launch.strategy(deepspeed).offload_param": {**TWO, "launch.strategy.zero_stage": 3},
    "launch.strategy(fsdp).min_num_params": {
        **TWO,
        "launch.strategy.auto_wrap_policy": "SIZE_BASED_WRAP",
    },
    "launch.num_machines": {**MACHINES, "launch.num_machines": 1},
    "launch.main_process_": MACHINES,
}
"""What else the recipe has to say, by the beginning of the knob's id; the longest one counts."""

MACHINE = {
    **dict.fromkeys(GPU_ONLY, "H100-80GB"),
    "quantization(torchao).group_size": "H100-80GB",
    "quantization(torchao).quant_type": "H100-80GB",
    **dict.fromkeys(ON_GPU, "H100-80GB"),
    "adapter.loftq_config.": "H100-80GB",
    "algorithm(sdft).use_teacher_server": "2xH100-80GB",
    "algorithm(sdpo).use_teacher_server": "2xH100-80GB",
    "speed.attention_kernel": "H100-80GB",
    "speed.float8": "H100-80GB",
    "speed.fused_layers": "H100-80GB",
    "speed.hub_kernels": "H100-80GB",
    "speed.liger": "H100-80GB",
    "speed.unsloth": "H100-80GB",
    "training.tf32": "A100-40GB",
    "launch.strategy(": "2xH100-80GB",
    "launch.strategy(single)": "cpu",
    "launch.mixed_precision": "8xH100-80GB",
    "launch.use_cpu": "8xH100-80GB",
    "launch.main_process_": "8xH100-80GB",
    "launch.num_machines": "8xH100-80GB",
}
"""The machine that a knob needs, by the beginning of its id; a CPU is enough for the others."""

VALUES: Mapping[str, Any] = {
    **{f"speed.{name}": "off" for name in discover("recipe_runner.components.levers")},
    # Another lever fuses the layers, unless the recipe asks for these.
    "speed.float8": "on",
    "speed.hub_kernels": "on",
    "speed.liger": "on",
    "speed.unsloth": "on",
    "data.eval_packing": False,
    "tokenizer.chat_template(TemplateFile).file": "other.jinja",
    "data.train.path": "org/other",
    "data.eval.path": "org/other",
    "data.eval(EvalSplit).split": 0.5,
    "data.train.format(alpaca).render": "chat",
    "data.eval.format(alpaca).render": "chat",
    "data.train.format(template).text": "{q} {a}",
    "data.eval.format(template).text": "{q} {a}",
    "data.train.format(template).prompt": "{other}",
    "data.eval.format(template).prompt": "{other}",
    "data.train.format(template).completion": "{other}",
    "data.eval.format(template).completion": "{other}",
    "data.loss_on": "all",
    "data.loss_on.roles": ["user"],
    "model.task": "image_text_to_text",
    "rewards(cosine_accuracy).max_len": 900,
    "rewards(soft_overlong).max_completion_len": 900,
    "rewards(soft_overlong).soft_punish_cache": 3,
    "rewards(regex).pattern": "b+",
    "rewards(json_schema).json_schema": {"type": "array"},
    "rewards(repetition).max_penalty": -2.0,
    "rewards(python).path": "judge_too.py",
    "rewards(python).function": "judge_too",
    "algorithm(dpo).loss_type": "ipo",
    "algorithm(alphapo).label_smoothing": 0.25,
    "algorithm(cpo).label_smoothing": 0.25,
    "algorithm(simpo).label_smoothing": 0.25,
    "algorithm(tpo).label_smoothing": 0.25,
    "algorithm(rloo).reward_clip_range": [-1.0, 1.0],
    "algorithm(server_distillation).teacher_model_server_url": "http://localhost:8002",
    "algorithm(iw_opd).teacher_model_server_url": "http://localhost:8002",
    "algorithm(sdpo).reprompt_template": "{prompt} {solution} {feedback}",
    "algorithm(sdpo).solution_template": "({successful_previous_attempt})",
    "algorithm(sdpo).feedback_template": "({feedback_raw})",
    "algorithm(sdft).teacher_prompt_template": "{privileged_context} {prompt}",
    "adapter(continued).path": "adapters/b",
    "model.adapter.path": "adapters/b",
    "model.adapter.merge": False,
    "adapter(adalora).init_r": 16,
    "adapter(adalora).target_r": 4,
    "adapter(adamss).init_weights": None,
    "adapter(gralora).gralora_k": 4,
    "adapter(gralora).r": 16,
    "adapter(lora).layer_replication": [[0, 1], [0, 1]],
    "adapter(trainable_tokens).token_indices": [8],
    "adapter.eva_config.rho": 3.0,
    "adapter(lora).init_lora_weights": "gaussian",
    "adapter(peanut).act_fn": "gelu",
    "adapter(prompt_tuning).prompt_tuning_init": "SAMPLE_VOCAB",
    "adapter(road).group_size": 32,
    "adapter(waveft).wavelet_family": "sym2",
    "training.optim": "adamw_torch",
    "quantization(fp8).weight_block_size": [64, 64],
    "quantization(torchao).quant_type": "float8_weight_only",
    "training.optim_args": "key=1",
    "training.loraplus_lr_ratio": 16.0,
    "training.metric_for_best_model": "eval_entropy",
    "training.lr_scheduler_kwargs": {"num_cycles": 2},
    "training.activation_checkpointing_kwargs": {"every_n_layers": 2},
    "training.load_best_model_at_end": False,
    "launch.num_machines": 2,
}
"""Values that the field's type does not tell."""

OF_ALGORITHMS: Mapping[str, Any] = {
    "extra": {"eval_use_gather_object": True},
    "generation_kwargs": {"min_new_tokens": 2},
    "transformers_continuous_batching_config": {"page_size": 128},
    "num_generations": 4,
    "num_generations_eval": 4,
}
"""The same, for options that several algorithms have."""


def _interleaved(first: float) -> Mapping[str, Any]:
    sets = [
        {"path": "data/chat.jsonl", "probability": first},
        {"path": "data/eval.jsonl", "probability": 1 - first},
    ]
    return {"data.train": sets, "data.mix": {"strategy": "interleave"}}


def _queried(source: Any) -> Mapping[str, Any]:
    return {"path": "env:ROWS", "format": "messages", "source": source}


SQL = _queried({"type": "sql", "query": "SELECT 1"})
OTHER_SQL = _queried({"type": "sql", "query": "SELECT 2"})
ON_HUB = {**SQL, "path": "org/set", "source": "hub"}


def _other_format(part: str, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """A recipe of messages, and one of the format, which takes another algorithm as well."""
    train = {"data.train": ROWS[name]} if part == "eval" else {}
    learnt = {**train, f"data.{part}": {"path": "org/set", "format": name}, **LEARNS[name]}
    return {f"data.{part}": {"path": "org/set", "format": "messages"}}, learnt


WHOLE: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "training.parameter_groups.pattern": (
        {"training.parameter_groups": [{"pattern": "norm"}]},
        {"training.parameter_groups": [{"pattern": "mlp"}]},
    ),
    "training.parameter_groups.learning_rate": (
        {"training.parameter_groups": [{"pattern": "norm"}]},
        {"training.parameter_groups": [{"pattern": "norm", "learning_rate": 1e-6}]},
    ),
    "training.parameter_groups.weight_decay": (
        {"training.parameter_groups": [{"pattern": "norm"}]},
        {"training.parameter_groups": [{"pattern": "norm", "weight_decay": 0.1}]},
    ),
    **{
        f"data.{part}.format({name}).type": _other_format(part, name)
        for part in ("train", "eval")
        for name in LEARNS
    },
    "data.train.format(template).type": (
        {"data.train": {"path": "org/set", "format": "messages"}},
        {"data.train": {"path": "org/set", "format": {"type": "template", "text": "{q}"}}},
    ),
    "data.eval.format(template).type": (
        {"data.eval": {"path": "org/set", "format": "messages"}},
        {"data.eval": {"path": "org/set", "format": {"type": "template", "text": "{q}"}}},
    ),
    "algorithm(iw_opd).use_teacher_server": (
        company_of(KINDS["iw_opd"]),
        {**company_of(KINDS["iw_opd"]), **BY_SERVER},
    ),
    "algorithm(server_distillation).type": (
        {},
        {
            **company_of(KINDS["server_distillation"]),
            **ASKED,
        },
    ),
    "rewards(model).type": (
        {**GRPO, "rewards": "length"},
        {**GRPO, "rewards": {"type": "model", "model": "org/judge"}},
    ),
    "rewards(python).type": (
        {**GRPO, "rewards": "length"},
        {**GRPO, "rewards": {"type": "python", "path": "judge.py", "function": "judge"}},
    ),
    "data.train.source(sql).type": ({"data.train": ON_HUB}, {"data.train": SQL}),
    "data.eval.source(sql).type": ({"data.eval": ON_HUB}, {"data.eval": SQL}),
    "adapter(continued).type": (
        {"adapter": "lora"},
        {"adapter.type": "continued", "adapter.path": "adapters/a"},
    ),
    "data.train.source(sql).query": ({"data.train": SQL}, {"data.train": OTHER_SQL}),
    "data.eval.source(sql).query": ({"data.eval": SQL}, {"data.eval": OTHER_SQL}),
    "data.train.probability": (_interleaved(0.5), _interleaved(0.25)),
}
"""Knobs whose recipe cannot be put together from one value: before and after."""

ONE_VALUE = (
    "recipe",
    "adapter(shira).mask_type",
    "quantization(eetq).weights",
    "quantization(mxfp4).dequantize",
    "quantization(spqr).bits",
    "quantization(spqr).beta1",
    "quantization(spqr).beta2",
)
"""Leaves that have a single valid value."""

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(FOR_INFERENCE, "RR358"),
    "quantization(mxfp4).type": "RR358",
    "model.trust_remote_code": "RR325",
    "data.eval.probability": "RR331",
    "data.eval.repeat": "RR307",
}
"""Leaves that no recipe can turn, and the code that says so."""
