"""Merged models of many shapes load in plain transformers and answer as base and adapter do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.merge import Wish
from tests.runs.merge.shaken import (
    LORA,
    adapted_run,
    adapter_call,
    answers,
    decoder,
    merged,
    stored,
    with_adapter,
)
from tests.runs.train.by_hand import FOUR_BIT
from tests.tiny_vision import tiny_vision

pytestmark = pytest.mark.runs

EMBEDDINGS = {"modules_to_save": ["embed_tokens", "lm_head"]}
BOTH = ["lm_head.weight", "model.embed_tokens.weight"]


def _load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()


def _assert_same(found: Any, wanted: Any, part: float = 1e-5) -> None:
    """Equal to a part of the largest logit."""
    assert float((found - wanted).abs().max()) <= part * float(wanted.abs().max())


@pytest.mark.parametrize(
    ("options", "tied"),
    [
        pytest.param({}, True, id="linear layers"),
        pytest.param({"target_modules": ["q_proj", "embed_tokens"]}, False, id="embeddings"),
        pytest.param({"modules_to_save": ["lm_head"]}, False, id="saved head"),
        pytest.param({"modules_to_save": ["embed_tokens"]}, False, id="saved embeddings"),
        pytest.param(
            {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True}, True, id="tied"
        ),
        pytest.param({"trainable_token_indices": [1, 7]}, True, id="tokens"),
    ],
)
def test_what_was_tied_stays_so_only_where_it_is_still_the_same(
    options: Mapping[str, Any], tied: bool, tmp_path: Path
) -> None:
    base = decoder(tmp_path / "base", tie_word_embeddings=True)
    finished = adapted_run(tmp_path / "here", base, {**LORA, **options})
    wanted = answers(with_adapter(finished))
    said: list[str] = []
    made = merged(finished, said=said)
    _assert_same(answers(_load(made.folder)), wanted)
    config = json.loads((made.folder / "config.json").read_text(encoding="utf-8"))
    assert config["tie_word_embeddings"] is tied
    assert ("lm_head.weight" in stored(made.folder)) is not tied
    assert any("lm_head.weight is no longer" in line for line in said) is not tied


def test_added_tokens_are_in_the_result(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    finished = adapted_run(
        tmp_path / "here",
        decoder(tmp_path / "base"),
        {**LORA, **EMBEDDINGS},
        add_tokens=["<a>", "<b>"],
    )
    made = merged(finished)
    tokenizer = AutoTokenizer.from_pretrained(made.folder)
    found, kept = stored(made.folder), stored(finished.run.model)
    assert [len(found[name]) for name in BOTH] == [len(tokenizer)] * 2
    for name in BOTH:
        assert found[name].equal(kept[f"base_model.model.{name}"])
    assert tokenizer.convert_tokens_to_ids("<b>") == len(tokenizer) - 1
    assert (
        tokenizer.chat_template == AutoTokenizer.from_pretrained(finished.run.model).chat_template
    )


@pytest.mark.parametrize(
    ("stored_as", "trained_as", "wish", "result"),
    [
        ("bfloat16", "bfloat16", None, "bfloat16"),
        ("bfloat16", "float32", None, "float32"),
        ("float32", "bfloat16", None, "bfloat16"),
        ("bfloat16", "bfloat16", "float32", "float32"),
        ("float32", "float32", "float16", "float16"),
    ],
)
def test_the_result_has_the_type_of_the_run_or_the_one_asked_for(
    stored_as: str, trained_as: str, wish: str | None, result: str, tmp_path: Path
) -> None:
    import torch

    base = decoder(tmp_path / "base", dtype=stored_as)
    finished = adapted_run(tmp_path / "here", base, dtype=trained_as)
    made = merged(finished, Wish(dtype=wish))
    assert made.dtype == result
    assert {tensor.dtype for tensor in stored(made.folder).values()} == {getattr(torch, result)}
    config = json.loads((made.folder / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == result
    # Eight bits of mantissa; a tenth of the spread is refused.
    assert made.compared is not None
    assert made.compared.error < {"float32": 1e-4, "float16": 2e-3, "bfloat16": 2e-2}[result]


def test_a_base_of_another_type_is_converted_on_disk_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = decoder(tmp_path / "base", dtype="float32", shard="100KB")
    finished = adapted_run(tmp_path / "here", base, dtype="bfloat16")
    in_memory = stored(merged(finished, out=tmp_path / "a").folder)
    monkeypatch.setattr("recipe_runner.execute.merge.base._SMALL", 0)
    said: list[str] = []
    made = merged(finished, out=tmp_path / "b", said=said)
    assert any("converting it on disk" in line for line in said)
    on_disk = stored(made.folder)
    assert all(on_disk[name].equal(tensor) for name, tensor in in_memory.items())
    assert not (made.folder / ".base").exists()


def test_files_are_as_large_as_the_plan_says_whatever_those_of_the_base_are(tmp_path: Path) -> None:
    base = decoder(tmp_path / "base", shard="300KB")
    assert len(list(base.glob("*.safetensors"))) > 1
    finished = adapted_run(tmp_path / "here", base)
    outputs = dataclasses.replace(finished.plan.outputs, max_shard_size="200KB")
    small = dataclasses.replace(finished, plan=dataclasses.replace(finished.plan, outputs=outputs))
    made = merged(small)
    files = sorted(made.folder.glob("*.safetensors"))
    assert len(files) > 2
    index = json.loads((made.folder / "model.safetensors.index.json").read_text(encoding="utf-8"))
    assert set(index["weight_map"].values()) == {file.name for file in files}
    assert index["weight_map"].keys() == stored(base).keys()
    sizes = {name: t.numel() * t.element_size() for name, t in stored(made.folder).items()}
    assert index["metadata"]["total_size"] == sum(sizes.values())
    for file in files:
        inside = [name for name, at in index["weight_map"].items() if at == file.name]
        assert sum(sizes[name] for name in inside) <= 200_000 or len(inside) == 1
    _assert_same(answers(_load(made.folder)), answers(with_adapter(finished)))


@pytest.mark.parametrize(
    ("family", "sizes", "options"),
    [
        ("gpt2", {"n_embd": 64, "n_head": 4, "n_layer": 2}, {"target_modules": ["c_attn"]}),
        ("gemma2", {"tie_word_embeddings": True}, {}),
        ("qwen2", {}, {"use_dora": True, "bias": "all"}),
        (
            "mixtral",
            {"num_local_experts": 4, "num_experts_per_tok": 2},
            {
                "target_modules": ["q_proj"],
                "target_parameters": ["gate_up_proj", "down_proj"],
            },
        ),
        (
            "qwen3_moe",
            {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
            {"target_modules": ["v_proj"], "target_parameters": ["down_proj"]},
        ),
    ],
)
def test_weights_are_saved_under_the_names_of_the_base(
    family: str, sizes: Mapping[str, Any], options: Mapping[str, Any], tmp_path: Path
) -> None:
    base = decoder(tmp_path / "base", family, **sizes)
    finished = adapted_run(tmp_path / "here", base, {**LORA, **options})
    made = merged(finished)
    found, wanted = stored(made.folder), stored(base)
    assert {name: t.shape for name, t in found.items()} == {n: t.shape for n, t in wanted.items()}
    assert any(not tensor.equal(wanted[name]) for name, tensor in found.items())
    _assert_same(answers(_load(made.folder)), answers(with_adapter(finished)))


def test_a_model_that_sees_keeps_its_processor(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    base = tiny_vision(tmp_path / "base")
    finished = adapted_run(
        tmp_path / "here",
        base,
        {**LORA, "target_modules": ["q_proj", "v_proj"]},
        auto_class="transformers:AutoModelForImageTextToText",
    )
    AutoProcessor.from_pretrained(base).save_pretrained(finished.run.model)
    made = merged(finished)
    assert stored(made.folder).keys() == stored(base).keys()
    assert AutoProcessor.from_pretrained(made.folder).image_token == "<image>"
    AutoModelForImageTextToText.from_pretrained(made.folder)


def test_a_classifier_keeps_its_head(tmp_path: Path) -> None:
    base = decoder(tmp_path / "base")
    from transformers import AutoModelForSequenceClassification

    judge = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    judge.save_pretrained(base)
    finished = adapted_run(
        tmp_path / "here",
        base,
        adapter_call({**LORA, "modules_to_save": ["score"]}, task="seq_cls"),
        auto_class="transformers:AutoModelForSequenceClassification",
    )
    made = merged(finished)
    kept = stored(finished.run.model)["base_model.model.score.weight"]
    assert stored(made.folder)["score.weight"].equal(kept)


def test_an_adapter_of_a_quantized_run_merges_into_the_base_as_it_is_on_disk(
    tmp_path: Path,
) -> None:
    base = decoder(tmp_path / "base")
    finished = adapted_run(tmp_path / "here", base, dtype="float32")
    plan = dataclasses.replace(finished.plan, quantization=FOUR_BIT)
    said: list[str] = []
    made = merged(dataclasses.replace(finished, plan=plan), said=said)
    assert any("was quantized while the run loaded it" in line for line in said)
    _assert_same(answers(_load(made.folder)), answers(with_adapter(finished)))


def test_an_adapter_that_was_fitted_to_quantized_weights_merges_into_these(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    base = decoder(tmp_path / "base")
    finished = adapted_run(tmp_path / "here", base)
    assert finished.plan.adapter is not None
    arguments = {**finished.plan.adapter.arguments, "init_lora_weights": "loftq"}
    call = dataclasses.replace(finished.plan.adapter, arguments=arguments)
    plan = dataclasses.replace(finished.plan, adapter=call, quantization=FOUR_BIT)
    found = stored(merged(dataclasses.replace(finished, plan=plan)).folder)

    four = BitsAndBytesConfig(**FOUR_BIT.arguments)
    packed = AutoModelForCausalLM.from_pretrained(base, quantization_config=four, dtype="float32")
    kept = stored(finished.run.model)
    layer = "model.layers.0.mlp.up_proj"
    first, second = (kept[f"base_model.model.{layer}.lora_{each}.weight"] for each in "AB")
    rounded = packed.dequantize().state_dict()[f"{layer}.weight"]
    # Alpha is twice the rank.
    _assert_same(found[f"{layer}.weight"], rounded.float() + 2 * second @ first)


def test_a_base_that_was_random_is_made_again(tmp_path: Path) -> None:
    base = decoder(tmp_path / "base")
    finished = adapted_run(tmp_path / "here", base)
    model = dataclasses.replace(finished.plan.model, random_init=True)
    random = dataclasses.replace(finished, plan=dataclasses.replace(finished.plan, model=model))
    made = merged(random)
    found = stored(made.folder)
    assert found.keys() == stored(base).keys()
    assert not found[BOTH[1]].equal(stored(base)[BOTH[1]])


def test_the_result_has_what_a_model_folder_has_and_a_card(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    finished = adapted_run(tmp_path / "here", decoder(tmp_path / "base"))
    GenerationConfig(temperature=0.25, do_sample=True).save_pretrained(finished.run.model)
    made = merged(finished)
    assert not [name for name in made.files if "adapter" in name]
    assert GenerationConfig.from_pretrained(made.folder).temperature == 0.25
    assert AutoTokenizer.from_pretrained(made.folder).chat_template
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    assert "library_name: transformers" in card
    assert "merged from an adapter" in card
    receipt = json.loads((made.folder / "merge.json").read_text(encoding="utf-8"))
    assert receipt["dtype"] == "float32"
    assert receipt["files"] == dict(made.files)
