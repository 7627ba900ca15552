"""The kernels of Triton compute what PyTorch's operations do.

Without a GPU they run in Triton's interpreter: `TRITON_INTERPRET=1 python -m pytest` of this file,
where Triton is installed.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

pytestmark = pytest.mark.runs

pytest.importorskip("triton", reason="Triton is not installed")

import torch  # noqa: E402

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("there is no GPU, and TRITON_INTERPRET is not 1", allow_module_level=True)

import contextlib  # noqa: E402

from recipe_runner.execute.kernels import elementwise, triton_elementwise  # noqa: E402
from recipe_runner.execute.kernels.elementwise import ACTIVATIONS, Norm  # noqa: E402
from recipe_runner.execute.speed.fused_layers import install  # noqa: E402

DEVICE = "cpu" if INTERPRETED else "cuda"
# The interpreter cuts bits off where a GPU, and PyTorch, round to bfloat16.
BOUNDS = {torch.float32: 2e-6, torch.bfloat16: 3e-2 if INTERPRETED else 1e-2, torch.float16: 2e-3}
"""In parts of the largest number: a few of the last bit of each type."""

NORMS = {
    "llama": Norm(1e-6),
    "olmo2": Norm(1e-6, rounds_first=False),
    "gemma": Norm(1e-6, offset=True, rounds_first=False),
}
SIZES = [(5, 64), (3, 100), (7, 1030), (2, 4096)]


def _drawn(*shape: int, kind: torch.dtype, seed: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=source).to(DEVICE, kind)


def _compare(ours: Any, usual: Any, name: str, kind: torch.dtype) -> None:
    assert ours.dtype == usual.dtype
    assert ours.shape == usual.shape
    apart = float((ours.double() - usual.double()).abs().max() / usual.double().abs().max())
    print(f"{str(ours.dtype).removeprefix('torch.')}, {name}: {apart:.1e} apart")
    assert apart <= BOUNDS[kind], name


@pytest.mark.parametrize("kind", BOUNDS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("joined", [False, True], ids=["apart", "joined"])
def test_gates(activation: Any, size: Any, kind: torch.dtype, joined: bool) -> None:
    rows, width = size
    if joined:
        gate, up = _drawn(rows, 2 * width, kind=kind, seed=0).chunk(2, -1)
    else:
        gate, up = _drawn(*size, kind=kind, seed=0), _drawn(*size, kind=kind, seed=1)
    grad = _drawn(*size, kind=kind, seed=2)
    usual = elementwise.gate(activation, gate, up)
    _compare(triton_elementwise.gate(activation, gate, up), usual, "product", kind)
    for again in (False, True):
        ours = triton_elementwise.gate_backward(activation, grad.clone(), gate, up, again)
        theirs = elementwise.gate_backward(activation, grad.clone(), gate, up, again)
        names = ("gradient of the gate", "gradient beside", "product again")
        for name, one, other in zip(names, ours, theirs, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                _compare(one, other, name, kind)


@pytest.mark.parametrize("kind", BOUNDS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("how", NORMS)
@pytest.mark.parametrize("factors", ["same", torch.float32], ids=str)
@pytest.mark.parametrize("trains", [True, False], ids=["trains", "frozen"])
def test_norms(how: str, size: Any, kind: torch.dtype, factors: Any, trains: bool) -> None:
    norm = NORMS[how]
    x = _drawn(*size, kind=kind, seed=0)
    weight = _drawn(size[1], kind=kind if factors == "same" else factors, seed=1)
    y, root = elementwise.norm(norm, x, weight)
    ours, of_ours = triton_elementwise.norm(norm, x, weight)
    _compare(ours, y, "result", kind)
    _compare(of_ours, root, "root", kind)
    grad = _drawn(*size, kind=y.dtype, seed=2)
    to_x, to_weight = elementwise.norm_backward(norm, grad, x, weight, root, trains)
    ours, of_weight = triton_elementwise.norm_backward(norm, grad, x, weight, root, trains)
    _compare(ours, to_x, "gradient", kind)
    assert (of_weight is None) == (to_weight is None)
    if to_weight is not None:
        _compare(of_weight, to_weight, "gradient of the factors", kind)


@pytest.mark.parametrize("family", ["llama", "gemma", "phi3"])
def test_a_model_computes_by_them(family: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 50}
    config = AutoConfig.for_model(family, pad_token_id=0, **sizes, **heads)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).train().to(DEVICE)
    ids = torch.arange(20, device=DEVICE).view(2, 10)
    trained = list(model.parameters())
    usual = torch.autograd.grad(model(input_ids=ids, labels=ids).loss, trained)
    with contextlib.ExitStack() as stack:
        told = str(install(model, stack, contextlib.nullcontext, kernels="triton"))
        ours = torch.autograd.grad(model(input_ids=ids, labels=ids).loss, trained)
    assert told == "1 gates, 3 norms by kernels of triton"
    for one, other in zip(ours, usual, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_what_they_cannot_do_is_done_by_pytorch() -> None:
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    model = torch.nn.Sequential(LlamaRMSNorm(70_000), LlamaRMSNorm(64)).to(DEVICE)
    with contextlib.ExitStack() as stack:
        fused = install(model, stack, contextlib.nullcontext, kernels="triton")
    assert str(fused) == "2 norms by kernels of torch and triton"
