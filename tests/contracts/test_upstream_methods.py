"""Every adapter of PEFT and every quantizer of transformers is a component, or is left out with a reason."""

from __future__ import annotations

import pytest

from recipe_runner import upstream
from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import discover
from recipe_runner.components.quantization import Quantization
from recipe_runner.devtools import adapter_words, quantization_words

pytestmark = pytest.mark.runs

ADAPTERS = "recipe_runner.components.adapters"
QUANTIZATIONS = "recipe_runner.components.quantizations"

OF_LORA = {
    "arrow_config": "routes between adapters that exist",
    "megatron_config": "is for Megatron's layers",
    "megatron_core": "is for Megatron's layers",
    "runtime_config": "moves weights between devices for conversions",
    "use_bdlora": "is `bdlora`",
}
OF_ADALORA = {
    "r": "is `init_r`",
    "total_step": "follows from the run",
    **dict.fromkeys(
        ("alpha_pattern", "rank_pattern", "layer_replication", "target_parameters"),
        "is not made for ranks that move",
    ),
    **dict.fromkeys(
        (
            "alora_invocation_tokens",
            "corda_config",
            "ensure_weight_tying",
            "eva_config",
            "kasa_config",
            "loftq_config",
            "lora_bias",
            "lora_ga_config",
            "monteclora_config",
            "qalora_group_size",
            "trainable_token_indices",
            "use_dora",
            "use_qalora",
            "use_rslora",
            "velora_config",
        ),
        "is an option of LoRA that PEFT does not build into AdaLoRA",
    ),
}
OF_PROMPT_TUNING = {
    "tokenizer_name_or_path": "is the run's",
    "tokenizer_kwargs": "are the run's",
}
BY_HAND = {
    "lora": OF_LORA,
    "adalora": {**OF_LORA, **OF_ADALORA},
    "prompt_tuning": OF_PROMPT_TUNING,
}
"""Options of PEFT that components by hand do not have, each with the reason."""


def test_every_adapter_of_peft_is_accounted_for() -> None:
    from peft import PeftType
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    components = {kind.upstream for kind in discover(ADAPTERS).values()}
    for peft_type in PeftType:
        target = f"peft:{PEFT_TYPE_TO_CONFIG_MAPPING[peft_type].__name__}"
        assert (target in components) != (peft_type.value in adapter_words.WITHOUT), peft_type


def test_every_quantizer_of_transformers_is_accounted_for() -> None:
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

    methods = set()
    for kind in discover(QUANTIZATIONS).values():
        assert issubclass(kind, Quantization)
        methods.add(kind.quant_method)
    for name in AUTO_QUANTIZATION_CONFIG_MAPPING:
        known = name in methods or name.startswith("bitsandbytes")
        assert known != (name in quantization_words.WITHOUT), name


@pytest.mark.parametrize("name", BY_HAND)
def test_a_component_by_hand_has_every_option(name: str) -> None:
    kind = discover(ADAPTERS)[name]
    assert kind.upstream is not None
    known = set(upstream.fields(kind.upstream)) - set(adapter_words.LEFT_OUT)
    missing = known - set(kind.model_fields) - set(BY_HAND[name])
    assert not missing
    assert set(BY_HAND[name]) <= known | {"use_bdlora"}


@pytest.mark.parametrize("name", [n for n in discover(ADAPTERS) if n not in BY_HAND])
def test_defaults_are_upstreams_where_no_words_say_otherwise(name: str) -> None:
    kind = discover(ADAPTERS)[name]
    assert issubclass(kind, Adapter)
    if kind.upstream is None:
        return
    ours = ("target_modules", "num_virtual_tokens")
    for field, info in kind.model_fields.items():
        if field == "type" or field in ours or info.is_required():
            continue
        theirs = upstream.fields(kind.upstream)[field].default
        assert info.get_default(call_default_factory=True) == theirs, field
