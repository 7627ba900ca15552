"""On a GPU, in 16 bits, one kernel takes all documents of a row: the same numbers as one by one."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.runs,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]


@pytest.mark.parametrize("window", [None, 16])
@pytest.mark.parametrize("groups", [4, 1])
def test_one_kernel_gives_what_single_documents_give(groups: int, window: int | None) -> None:
    from recipe_runner.execute.attention.segments import attend

    torch.manual_seed(0)
    borders = torch.tensor([0, 17, 22, 62, 126, 128], dtype=torch.int32, device="cuda")
    shapes = ((1, 4, 128, 32), (1, groups, 128, 32), (1, groups, 128, 32))
    found = []
    inputs = [torch.randn(shape, device="cuda") for shape in shapes]
    for kind in (torch.bfloat16, torch.float32):
        query, key, value = (each.to(kind).detach().requires_grad_() for each in inputs)
        kwargs = {"cu_seq_lens_q": borders, "max_length_q": 64, "sliding_window": window}
        out, _ = attend(torch.nn.Module(), query, key, value, None, **kwargs)
        out.float().square().sum().backward()
        found.append([out, query.grad, key.grad, value.grad])
    for ours, exact in zip(*found, strict=True):
        torch.testing.assert_close(ours.float(), exact, atol=0.15, rtol=0.05)
