"""Layers in float8 hold the same parameters, compute nearly the same, and are gone afterwards."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.tiny import tiny_model

pytestmark = pytest.mark.runs


def test_layers_are_replaced_and_put_back(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from recipe_runner.execute.speed.float8 import install

    pytest.importorskip("torchao")
    model = AutoModelForCausalLM.from_pretrained(
        tiny_model(tmp_path / "model"), dtype=torch.float32
    )
    parameters = {name: id(p) for name, p in model.named_parameters()}
    kinds = [type(m) for m in model.modules()]
    tokens = torch.randint(0, model.config.vocab_size, (2, 16))

    def step() -> tuple[float, torch.Tensor]:
        model.zero_grad()
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        return loss.item(), gradient

    before, gradient = step()
    with ExitStack() as stack:
        count = install(model, stack, emulate=True)
        assert count == 7 * model.config.num_hidden_layers
        assert {name: id(p) for name, p in model.named_parameters()} == parameters
        rounded, near = step()
    again, same = step()
    assert rounded != before
    assert rounded == pytest.approx(before, rel=2e-2)
    assert torch.nn.functional.cosine_similarity(near, gradient, dim=0) > 0.9
    assert [type(m) for m in model.modules()] == kinds
    assert again == before
    assert torch.equal(same, gradient)
