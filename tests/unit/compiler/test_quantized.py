"""Quantized bases: recognised in a checkpoint, and what goes with which machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.workshop import Workshop, recipe, workshop

QLORA = {"adapter": "lora", "quantization": "bnb_4bit"}
HEAD = {"adapter": {"type": "lora", "modules_to_save": ["lm_head"]}}
EIGHT = {"adapter": "lora", "quantization": "bnb_8bit"}


@pytest.mark.parametrize(
    ("options", "on", "expected"),
    [
        pytest.param(QLORA, "cpu", [], id="anywhere"),
        pytest.param(
            {**EIGHT, "launch.mixed_precision": "fp16"}, "V100-16GB", ["RR333"], id="fp16"
        ),
        pytest.param({**EIGHT, "launch.mixed_precision": "bf16"}, "H100-80GB", [], id="bf16"),
        pytest.param(
            {
                "adapter": "lora",
                "quantization.type": "bnb_4bit",
                "quantization.bnb_4bit_compute_dtype": "bfloat16",
                "launch.mixed_precision": "no",
            },
            "V100-16GB",
            ["RR335"],
            id="no-bfloat16",
        ),
        pytest.param({"adapter": "lora", "quantization": "eetq"}, "cpu", ["RR357"], id="no-gpu"),
        pytest.param({**QLORA, **HEAD}, "cpu", [], id="the-head-stays-whole"),
        pytest.param(
            {**HEAD, "quantization": {"type": "bnb_4bit", "llm_int8_skip_modules": ["down_proj"]}},
            "cpu",
            ["RR334"],
            id="a-list-without-the-head",
        ),
        pytest.param({"adapter": "lora", "quantization": "eetq"}, "H100-80GB", [], id="gpu"),
        pytest.param({"adapter": "loha", "quantization": "bnb_4bit"}, "cpu", ["RR388"], id="loha"),
        pytest.param({"adapter": "oft", "quantization": "bnb_4bit"}, "cpu", [], id="oft"),
    ],
)
def test_what_goes_together(
    options: dict[str, Any], on: str, expected: list[str], shop: Workshop
) -> None:
    assert shop.codes(recipe(options), on) == expected


def checkpoint(folder: Path, made: dict[str, Any]) -> Workshop:
    """A folder to compile recipes in, with a quantized checkpoint in it."""
    shop = workshop(folder)
    model = folder / "quantized"
    model.mkdir()
    config = {"model_type": "llama", "quantization_config": made}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (model / "model.safetensors").write_bytes(b"")
    return shop


NF4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
GPTQ = {"quant_method": "gptq", "bits": 8, "group_size": 64}
OF_IT = {"model": "quantized", "tokenizer": "org/model-id", "adapter": "lora"}


@pytest.mark.parametrize(
    ("made", "target", "arguments"),
    [
        pytest.param(NF4, "transformers:BitsAndBytesConfig", {"load_in_4bit": True}, id="nf4"),
        pytest.param(
            {"load_in_8bit": True},
            "transformers:BitsAndBytesConfig",
            {"load_in_8bit": True},
            id="of-an-older-release",
        ),
        pytest.param(GPTQ, "transformers:GPTQConfig", {"bits": 8, "group_size": 64}, id="gptq"),
    ],
)
def test_a_quantized_checkpoint_is_recognised(
    made: dict[str, Any], target: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    plan = checkpoint(tmp_path, made).plan(recipe(OF_IT))
    assert plan.quantization is not None
    assert plan.quantization.target == target
    assert arguments.items() <= plan.quantization.arguments.items()
    assert any(each.path == "quantization" for each in plan.derived)


@pytest.mark.parametrize(
    ("made", "options", "expected"),
    [
        pytest.param(NF4, {"quantization": "bnb_4bit"}, [], id="the-same"),
        pytest.param(NF4, {"quantization": "bnb_8bit"}, ["RR355"], id="another"),
        pytest.param(NF4, {"adapter": None}, ["RR311"], id="without-adapter"),
        pytest.param({"quant_method": "new"}, {}, ["RR355"], id="unknown"),
    ],
)
def test_a_quantized_checkpoint_and_what_the_recipe_says(
    made: dict[str, Any], options: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    assert checkpoint(tmp_path, made).codes(recipe({**OF_IT, **options})) == expected
