from __future__ import annotations

import pytest

from recipe_runner import upstream


@pytest.mark.parametrize(
    ("target", "name", "default"),
    [
        ("trl:SFTConfig", "learning_rate", 2e-5),
        ("trl:SFTConfig", "max_length", 1024),
        ("transformers:TrainingArguments", "learning_rate", 5e-5),
        ("transformers:BitsAndBytesConfig", "bnb_4bit_quant_type", "fp4"),
        ("peft:LoraConfig", "r", 8),
        ("peft:LoraConfig", "rank_pattern", {}),
        ("accelerate:ClusterConfig", "num_machines", 1),
    ],
)
def test_a_field_has_the_default_that_upstream_documents(
    target: str, name: str, default: object
) -> None:
    field = upstream.fields(target)[name]
    assert (field.name, field.default, field.required) == (name, default, False)


def test_a_field_without_a_default_is_required() -> None:
    field = upstream.fields("trl:SFTTrainer")["model"]
    assert field.required
    assert field.default is None
    assert field.opaque_default is None


def test_a_default_that_json_cannot_hold_is_named() -> None:
    field = upstream.fields("peft:LoraConfig")["runtime_config"]
    assert field.opaque_default == "LoraRuntimeConfig"
    assert not field.required


def test_fields_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        upstream.fields("peft:LoraConfig")["r"] = None  # type: ignore[index]


def test_an_enumeration_has_its_values() -> None:
    assert upstream.values("transformers:IntervalStrategy") == ("no", "steps", "epoch")


@pytest.mark.parametrize(
    "target",
    ["trl:Unheard", "unheard:SFTConfig", "SFTConfig", "", "trl:", "../trl:SFTConfig"],
)
def test_an_unknown_target_is_a_key_error_that_names_it(target: str) -> None:
    for read in (upstream.fields, upstream.values):
        with pytest.raises(KeyError) as raised:
            read(target)
        assert raised.value.args == (target,)


def test_a_class_has_no_values_and_an_enumeration_has_no_fields() -> None:
    with pytest.raises(KeyError):
        upstream.values("trl:SFTConfig")
    with pytest.raises(KeyError):
        upstream.fields("transformers:OptimizerNames")


def test_every_target_can_be_read() -> None:
    for target in upstream.targets():
        assert target.partition(":")[0].partition(".")[0] in upstream.versions()
        if target == "transformers:QuarkConfig":
            continue  # takes whatever it is given
        try:
            assert upstream.fields(target)
        except KeyError:
            assert upstream.values(target)
