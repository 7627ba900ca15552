"""Kernels of other packages compute what PyTorch computes, and are taken off without a trace.

Liger's kernels run in Triton's interpreter, so they need no GPU, and this environment:
TRITON_INTERPRET=1 pytest tests/runs/speed/test_package_kernels.py
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from recipe_runner.plan.kernels import OF_LIGER, VARLEN_KERNELS

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.runs

HAS_LIGER = all(importlib.util.find_spec(name) for name in ("triton", "liger_kernel"))
interpreted = pytest.mark.skipif(
    not HAS_LIGER or os.environ.get("TRITON_INTERPRET") != "1",
    reason="triton and liger-kernel are not installed, or TRITON_INTERPRET is not 1",
)


class Scalar(float):
    """A number as Triton's compiler gives it to a kernel, which its interpreter does not."""

    def to(self, dtype: Any) -> Scalar:
        return self


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give Triton's interpreter what Liger's kernels take from the compiler and from CUDA."""
    import liger_kernel.ops.geglu
    import liger_kernel.ops.rms_norm
    import triton.language as tl
    import triton.runtime.interpreter

    convert = triton.runtime.interpreter._implicit_cvt
    monkeypatch.setattr(
        triton.runtime.interpreter,
        "_implicit_cvt",
        lambda given: Scalar(given) if type(given) is float else convert(given),
    )
    monkeypatch.setattr(liger_kernel.ops.rms_norm, "rsqrt", lambda x: tl.rsqrt(x))
    monkeypatch.setattr(liger_kernel.ops.geglu, "tanh", lambda x: 2 * tl.sigmoid(2 * x) - 1)


def tiny(family: str, **more: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "vocab_size": 32,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**sizes, **more})
    return AutoModelForCausalLM.from_config(config)


def passed(model: Any) -> list[Any]:
    """The loss of two rows, and the gradients of all that trains."""
    ids = torch.arange(10).view(2, 5) % 7 + 3
    model.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


def traces(model: Any) -> list[dict[str, Any]]:
    """All that belongs to the modules of a model and to the files of their classes."""
    files = {type(each).__module__ for each in model.modules()}
    return [dict(vars(each)) for each in (*model.modules(), *(sys.modules[f] for f in files))]


@interpreted
@pytest.mark.parametrize("family", sorted(OF_LIGER))
def test_liger_changes_no_loss_and_no_gradient_and_leaves_nothing_behind(
    family: str, interpreter: None
) -> None:
    from recipe_runner.execute.speed.liger import install

    model = tiny(family)
    # The first pass imports and registers what a model needs.
    exact, before = passed(model), traces(model)
    with ExitStack() as stack:
        told = install(model, stack)
        assert "the rotation of liger-kernel" in told
        assert told.count("Liger") > 1
        assert "Liger" in str(model)
        for ours, theirs in zip(passed(model), exact, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    assert traces(model) == before
    assert "Liger" not in str(model)


@interpreted
def test_liger_beside_an_adapter_and_with_a_part_of_each_head_that_turns(interpreter: None) -> None:
    from peft import LoraConfig, get_peft_model

    from recipe_runner.execute.speed.liger import install

    base = tiny("phi3", partial_rotary_factor=0.5)
    model = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear"))
    for name, each in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(each, std=0.1)
    exact, before = passed(model), traces(model)
    with ExitStack() as stack:
        install(model, stack)
        for ours, theirs in zip(passed(model), exact, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    assert traces(model) == before


@interpreted
def test_liger_leaves_gates_that_it_does_not_have(interpreter: None) -> None:
    from recipe_runner.execute.speed.liger import install

    model = tiny("llama", hidden_act="gelu")
    exact = passed(model)
    with ExitStack() as stack:
        assert "MLP" not in install(model, stack)
        torch.testing.assert_close(passed(model)[0], exact[0])


@interpreted
@pytest.mark.parametrize("how", ["another family", "a norm that an adapter has wrapped"])
def test_liger_refuses_and_leaves_the_model_as_it_was(how: str, interpreter: None) -> None:
    from peft import LNTuningConfig, get_peft_model

    from recipe_runner.execute.speed.liger import install
    from recipe_runner.execute.speed.refused import Refused

    model: Any
    if how == "another family":
        model, because = tiny("starcoder2"), "starcoder2 has not been proven"
    else:
        config = LNTuningConfig(target_modules=["input_layernorm"], task_type="CAUSAL_LM")
        model, because = get_peft_model(tiny("llama"), config), "is in the place of a layer"
    before = traces(model)
    with ExitStack() as stack, pytest.raises(Refused, match=because):
        install(model, stack)
    assert traces(model) == before


def test_what_is_patched_is_found_and_undone() -> None:
    from recipe_runner.execute.speed.patched import Seen

    model = tiny("llama")
    file, before = sys.modules[type(model).__module__], traces(model)
    seen = Seen(model)
    norm = model.model.norm
    norm.forward = norm.forward
    norm.offset = 0.0
    norm.variance_epsilon = 1.0
    file.rotate_half = None  # type: ignore[attr-defined]
    assert seen.patched() == [norm]
    assert {each.name for each in seen.changes()} == {
        "forward",
        "offset",
        "variance_epsilon",
        "rotate_half",
    }
    seen.undo(lambda change: change.name == "offset")
    assert not hasattr(norm, "offset")
    seen.undo()
    assert traces(model) == before


FLASH = """
import torch
from torch.nn.functional import scaled_dot_product_attention

def flash_attn_varlen_func(q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k,
                           softmax_scale=None, causal=False, window_size=NONE):
    "By its documentation: a query sees keys from i - window[0] to i + window[1], and none after i."
    parts = []
    for begin, end in zip(cu_seqlens_q.tolist(), cu_seqlens_q.tolist()[1:]):
        assert end - begin <= max_seqlen_q
        at = torch.arange(end - begin)
        apart = at[:, None] - at[None]
        seen = torch.ones_like(apart, dtype=torch.bool)
        left, right = window_size
        if left not in (None, -1):
            seen &= apart <= left
        if right not in (None, -1):
            seen &= -apart <= right
        if causal:
            seen &= apart >= 0
        rows = (each[begin:end].transpose(0, 1) for each in (q, k, v))
        parts.append(scaled_dot_product_attention(*rows, attn_mask=seen, scale=softmax_scale,
                                                  enable_gqa=True))
    return torch.cat(parts, 1).transpose(0, 1)RESULT
"""
"""A package with the interface of FlashAttention, in plain PyTorch."""


def flash(kernel: Any, result: str = "") -> str:
    return FLASH.replace("NONE", repr((kernel.unbounded,) * 2)).replace("RESULT", result)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("kernel", VARLEN_KERNELS, ids=lambda each: each.package)
def test_a_kernel_is_called_as_it_wants_to_be(
    kernel: Any, window: int | None, put: Callable[..., None]
) -> None:
    from recipe_runner.execute.attention.kernels import InUse, find
    from recipe_runner.execute.attention.segments import attend

    # Some releases give more than the result.
    put(kernel.package, kernel.module, flash(kernel, ", None" if window else ""))
    found = find(kernel.capability, 8)
    assert isinstance(found, InUse)
    assert found.kernel == kernel
    torch.manual_seed(0)
    borders = torch.tensor([0, 5, 6, 16], dtype=torch.int32)
    query, key, value = (torch.randn(1, heads, 16, 8) for heads in (4, 2, 2))
    ours = found(query, key, value, borders, 10, window, 0.3)
    exact, _ = attend(
        torch.nn.Module(),
        query,
        key,
        value,
        None,
        scaling=0.3,
        cu_seq_lens_q=borders,
        sliding_window=window,
    )
    torch.testing.assert_close(ours, exact)
    assert str(found) == f"flash_attn_varlen_func of {kernel.package} 1.0: 1 calls"


def test_the_fastest_kernel_that_fits_is_taken(put: Callable[..., None]) -> None:
    from recipe_runner.execute.attention.kernels import InUse, find

    two, three = VARLEN_KERNELS[2], VARLEN_KERNELS[1]
    put(two.package, two.module, flash(two))
    put(three.package, three.module, flash(three))
    chosen = {}
    for capability in ((8, 0), (9, 0), (10, 0)):
        found = find(capability, 64)
        assert isinstance(found, InUse)
        chosen[capability] = found.kernel
    assert chosen == {(8, 0): two, (9, 0): three, (10, 0): two}


@pytest.mark.parametrize(
    ("text", "capability", "head", "because"),
    [
        ("raise ImportError('undefined symbol')", (9, 0), 64, "cannot be loaded: undefined symbol"),
        ("", (9, 0), 64, "cannot be loaded"),
        ("", (7, 5), 64, "is for compute capability 8.0, and the GPU has 7.5"),
        ("", (9, 0), 288, "heads have 288 values"),
        (None, (9, 0), 64, "none of flash-attn-4, flash-attn-3, flash-attn is installed"),
    ],
)
def test_why_no_kernel_is_used(
    text: str | None,
    capability: tuple[int, int],
    head: int,
    because: str,
    put: Callable[..., None],
) -> None:
    from recipe_runner.execute.attention.kernels import find

    if text is not None:
        put("flash-attn", "flash_attn", text)
    found = find(capability, head)
    assert isinstance(found, str)
    assert because in found


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (("", ""), None),
        (("if causal:", "if False:"), "gives other numbers than PyTorch"),
        (("parts = []", "raise RuntimeError('no kernel image')"), "not work here: no kernel image"),
    ],
    ids=["works", "not causal", "no image"],
)
def test_a_kernel_is_tried_before_it_is_used(
    change: tuple[str, str], because: str | None, put: Callable[..., None]
) -> None:
    from recipe_runner.execute.attention.kernels import InUse, find, why_not_here

    kernel = VARLEN_KERNELS[2]
    put(kernel.package, kernel.module, flash(kernel).replace(*change))
    found = find((8, 0), 32)
    assert isinstance(found, InUse)
    why = why_not_here(found, 32, torch.device("cpu"))
    assert why is None if because is None else because in str(why)
    assert str(found) == "", "trying does not count"


def test_rows_that_a_kernel_does_not_take_are_told(put: Callable[..., None]) -> None:
    from recipe_runner.execute.attention.kernels import InUse, find

    kernel = VARLEN_KERNELS[2]
    put(kernel.package, kernel.module, flash(kernel))
    found = find((8, 0), None)
    assert isinstance(found, InUse)
    assert found.takes(torch.zeros(1, 2, 4, 64))
    assert not found.takes(torch.zeros(1, 2, 4, 20))
    assert "varlen_attn of torch: 1 calls, as heads have 20 values" in str(found)


def test_hub_kernels_are_refused_with_the_versions_that_transformers_wants() -> None:
    from transformers.utils import import_utils

    from recipe_runner.execute.speed.hub_kernels import install, why_not
    from recipe_runner.execute.speed.refused import Refused

    if import_utils.is_kernels_available():
        pytest.skip("a version of kernels that fits is installed")
    model = tiny("llama")
    before = traces(model)
    with ExitStack() as stack, pytest.raises(Refused, match="transformers wants kernels>="):
        install(model, stack)
    assert import_utils.KERNELS_MIN_VERSION in str(why_not(model))
    assert traces(model) == before
