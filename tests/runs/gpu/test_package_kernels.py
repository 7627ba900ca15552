"""On a GPU, kernels of other packages compute what PyTorch computes, up to the rounding of 16 bits."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.runs,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]


def attended(queries: Any, window: int | None, *, autocast: bool) -> Any:
    from recipe_runner.execute.attention.segments import attend

    drawn = torch.Generator("cuda").manual_seed(0)
    borders = torch.tensor([0, 17, 22, 62, 126, 128], dtype=torch.int32, device="cuda")
    query, key, value = (
        torch.randn((1, heads, 128, 64), device="cuda", generator=drawn) for heads in (4, 2, 2)
    )
    kwargs = {"cu_seq_lens_q": borders, "max_length_q": 64, "sliding_window": window}
    with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
        given = (
            query.to(queries),
            key.to(queries),
            value.to(torch.bfloat16 if autocast else queries),
        )
        return attend(torch.nn.Module(), *given, None, **kwargs)[0]


@pytest.mark.parametrize("window", [None, 16])
def test_the_kernel_that_is_installed_works_and_is_called(window: int | None) -> None:
    from recipe_runner.execute.attention import kernels, segments

    found = kernels.find(torch.cuda.get_device_capability(), 64)
    if isinstance(found, str):
        pytest.skip(found)
    assert kernels.why_not_here(found, 64, torch.device("cuda")) is None
    exact = attended(torch.float32, window, autocast=False)
    with segments.with_kernel(found):
        ours = attended(torch.bfloat16, window, autocast=False)
    torch.testing.assert_close(ours.float(), exact, atol=0.05, rtol=0.05)
    assert f"{found.kernel.package} {found.version}: 1 calls" in str(found)


def test_queries_that_positions_have_turned_into_float32_get_the_kernel_under_autocast() -> None:
    out = attended(torch.float32, None, autocast=True)
    assert out.dtype == torch.bfloat16
    exact = attended(torch.float32, None, autocast=False)
    torch.testing.assert_close(out.float(), exact, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3_text"])
def test_liger_in_bfloat16_changes_no_more_than_rounding(family: str) -> None:
    pytest.importorskip("liger_kernel")
    from transformers import AutoConfig, AutoModelForCausalLM

    from recipe_runner.execute.speed.liger import install

    torch.manual_seed(0)
    sizes = {"vocab_size": 512, "hidden_size": 128, "intermediate_size": 256}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(family, num_hidden_layers=2, **sizes, **heads, **ends)
    model = AutoModelForCausalLM.from_config(config).to("cuda", torch.bfloat16)
    ids = torch.randint(3, 512, (2, 64), device="cuda")

    def passed() -> tuple[float, float]:
        model.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        squares = [p.grad.float().square().sum() for p in model.parameters() if p.grad is not None]
        return loss.item(), torch.stack(squares).sum().sqrt().item()

    exact = passed()
    with ExitStack() as stack:
        install(model, stack)
        assert passed() == pytest.approx(exact, rel=2e-2)
    assert passed() == pytest.approx(exact, rel=1e-3)
