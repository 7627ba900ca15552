"""Layers without padding give what they give with it, wherever the padding stands."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.plan.joined import SEGMENTS

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def model(tiny_llama: Path) -> Any:
    from transformers import AutoModelForCausalLM

    from recipe_runner.execute.attention.segments import register

    register()
    return AutoModelForCausalLM.from_pretrained(tiny_llama, attn_implementation=SEGMENTS)


MASKS = {
    "right": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]],
    "left": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]],
    "both": [[0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 1, 0, 0]],
    "an empty row": [[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 0]],
    "none": [[1, 1, 1, 1, 1]] * 3,
}


def batch(mask: str) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    return {
        "input_ids": torch.randint(3, 100, (3, 5)),
        "attention_mask": torch.tensor(MASKS[mask]),
    }


def outcome(model: Any, given: dict[str, Any], **more: Any) -> tuple[Any, dict[str, Any]]:
    """Hidden states at real tokens, and the gradients of their squares."""
    model.zero_grad()
    hidden = model.model(**given, use_cache=False, **more).last_hidden_state
    real = hidden[given["attention_mask"].bool()]
    real.pow(2).sum().backward()
    return real.detach(), {n: p.grad.clone() for n, p in model.model.named_parameters()}


@pytest.mark.parametrize("mask", MASKS)
def test_hidden_states_and_gradients(mask: str, model: Any) -> None:
    import torch

    from recipe_runner.execute.speed.padding_free import Tokens, install, why_not

    plain, fast, tokens = copy.deepcopy(model), copy.deepcopy(model), Tokens()
    plain.set_attn_implementation("eager")
    assert why_not(fast) is None
    install(fast, tokens, ExitStack())
    expected, expected_gradients = outcome(plain, batch(mask))
    found, gradients = outcome(fast, batch(mask))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for name, gradient in expected_gradients.items():
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=1e-4)
    real = sum(map(sum, MASKS[mask]))
    assert (tokens.padded, tokens.real) == (15, real)


def test_positions_that_are_given_are_kept(model: Any) -> None:
    import torch

    from recipe_runner.execute.speed.padding_free import Tokens, install

    plain, fast = copy.deepcopy(model), copy.deepcopy(model)
    plain.set_attn_implementation("eager")
    install(fast, Tokens(), ExitStack())
    given = batch("left")
    positions = (given["attention_mask"].cumsum(1) - 1).clamp(min=0)
    expected, _ = outcome(plain, given, position_ids=positions)
    found, _ = outcome(fast, given, position_ids=positions)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_answers_are_those_with_padding(model: Any) -> None:
    import torch

    from recipe_runner.execute.speed.padding_free import Tokens, install

    fast, tokens = copy.deepcopy(model).eval(), Tokens()
    install(fast, tokens, ExitStack())
    options = {"max_new_tokens": 8, "do_sample": False}
    expected = copy.deepcopy(model).eval().generate(**batch("left"), **options)
    assert torch.equal(fast.generate(**batch("left"), **options), expected)
    # What is continued keeps its padding.
    assert tokens.padded == 0


def test_an_adapter_is_no_hindrance(model: Any) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from recipe_runner.execute.speed.padding_free import Tokens, install, why_not

    plain = get_peft_model(
        copy.deepcopy(model), LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    )
    fast = copy.deepcopy(plain)
    tokens = Tokens()
    assert why_not(fast) is None
    install(fast, tokens, ExitStack())
    a, b = (each(**batch("right"), use_cache=False).logits for each in (plain, fast))
    real = batch("right")["attention_mask"].bool()
    torch.testing.assert_close(a[real], b[real], rtol=1e-4, atol=1e-4)
    assert tokens.real == 9


def test_the_layers_are_as_they_were_afterwards(model: Any) -> None:
    from recipe_runner.execute.speed.padding_free import Tokens, install

    fast, tokens = copy.deepcopy(model), Tokens()
    with ExitStack() as stack:
        install(fast, tokens, stack)
        outcome(fast, batch("right"))
    assert "forward" not in vars(fast.model)
    before = tokens.padded
    outcome(fast, batch("right"))
    assert tokens.padded == before == 15


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("bert", "does not say that its attention looks back only"),
        ("modernbert", "does not say that its attention looks back only"),
        ("opt", "takes positions from the mask of a batch"),
        ("mixtral", "experts"),
    ],
)
def test_models_that_keep_their_padding(family: str, said: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForTokenClassification

    from recipe_runner.execute.attention.segments import register
    from recipe_runner.execute.speed.padding_free import why_not

    register()
    kind = AutoModelForCausalLM if family in ("opt", "mixtral") else AutoModelForTokenClassification
    small = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    extra = {
        "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
        "mixtral": {"intermediate_size": 64},
        "modernbert": {"pad_token_id": 0},
    }
    config = AutoConfig.for_model(family, **small, **extra.get(family, {}))
    with torch.device("meta"):
        model = kind.from_config(config, attn_implementation=SEGMENTS)
    assert said in (why_not(model) or "")
