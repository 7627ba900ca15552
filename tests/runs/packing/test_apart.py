"""A document in a pack trains as it does alone, and its attention sees nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from recipe_runner.execute.attention.segments import register
from recipe_runner.execute.sft.collator import Collator
from recipe_runner.plan.joined import SEGMENTS

pytestmark = pytest.mark.runs

LENGTHS = ((17, 5, 40), (9, 2, 64), (30,))
"""Of the documents of three packs; 64 and 40 are longer than the windows below."""

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama without groups": {"num_key_value_heads": 4},
    "qwen3": {},
    "mistral with a window": {"sliding_window": 12},
    "gemma3_text with windows": {
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"],
    },
}


def tiny(family: str, attention: str = SEGMENTS, **more: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    register()
    config = AutoConfig.for_model(
        family.partition(" ")[0],
        **{
            "vocab_size": 200,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 256,
            "pad_token_id": 0,
            **FAMILIES.get(family, {}),
            **more,
        },
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation=attention
    )


def packs() -> list[dict[str, Any]]:
    draw = np.random.default_rng(0)
    made = []
    for lengths in LENGTHS:
        tokens = draw.integers(1, 200, sum(lengths)).astype(np.int32)
        made.append({"input_ids": tokens, "labels": tokens, "seq_lengths": list(lengths)})
    return made


def documents() -> list[torch.Tensor]:
    return [
        torch.from_numpy(part).long()
        for pack in packs()
        for part in np.split(pack["input_ids"], np.cumsum(pack["seq_lengths"])[:-1])
    ]


def token_losses(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Of every token that has a label, in order."""
    labels = batch["labels"][:, 1:]
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    logits = model(**inputs, use_cache=False).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2).float(), labels, reduction="none"
    )
    return losses[labels != -100]


def alone(model: Any) -> torch.Tensor:
    return torch.cat(
        [token_losses(model, {"input_ids": ids[None], "labels": ids[None]}) for ids in documents()]
    )


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def plain(model: Any) -> Any:
    return model


def with_lora(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    )


def checkpointed(model: Any) -> Any:
    model.gradient_checkpointing_enable()
    return model.train()


@pytest.mark.parametrize("dress", [plain, with_lora, checkpointed])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_of_packs_are_those_of_their_documents(
    family: str, dress: Callable[[Any], Any]
) -> None:
    model = dress(tiny(family))
    batch = Collator(0, joined=True)(packs())
    assert batch["input_ids"].shape == (1, sum(sum(lengths) for lengths in LENGTHS))

    packed = token_losses(model, batch)
    packed.mean().backward()
    together = gradients(model)
    model.set_attn_implementation("eager")
    separate = alone(model)
    separate.mean().backward()

    assert len(packed) == sum(sum(lengths) - len(lengths) for lengths in LENGTHS)
    torch.testing.assert_close(packed, separate, atol=1e-5, rtol=0)
    apart = gradients(model)
    assert set(apart) == set(together) != set()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, apart[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("attention", ["eager", "sdpa", SEGMENTS])
def test_every_attention_that_a_plan_may_name_keeps_documents_apart(attention: str) -> None:
    model = tiny("qwen3", attention).eval()
    with torch.no_grad():
        packed = token_losses(model, Collator(0, joined=True)(packs()))
        model.set_attn_implementation("eager")
        torch.testing.assert_close(packed, alone(model), atol=1e-5, rtol=0)


def test_documents_that_see_each_other_would_be_noticed() -> None:
    """The check itself: with plain positions and no borders the losses differ."""
    model = tiny("llama", "eager").eval()
    batch = Collator(0, joined=True)(packs())
    with torch.no_grad():
        mixed = token_losses(model, {name: batch[name] for name in ("input_ids", "labels")})
        assert (mixed - alone(model)).abs().max() > 1e-2


def test_borders_are_found_from_positions_where_a_batch_has_no_others() -> None:
    model = tiny("llama").eval()
    batch = Collator(0, joined=True)(packs())
    with torch.no_grad():
        bare = {name: batch[name] for name in ("input_ids", "labels", "position_ids")}
        packed = token_losses(model, bare)
        model.set_attn_implementation("eager")
        torch.testing.assert_close(packed, alone(model), atol=1e-5, rtol=0)


def test_padded_batches_and_generation_are_those_of_sdpa() -> None:
    ours, theirs = tiny("qwen3").eval(), tiny("qwen3", "sdpa").eval()
    rows = [{"input_ids": ids.numpy(), "labels": ids.numpy()} for ids in documents()]
    batch = Collator(0)(rows)
    left = {name: batch[name].flip(1) for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        assert torch.equal(token_losses(ours, batch), token_losses(theirs, batch))
        answers = [
            model.generate(**left, max_new_tokens=8, do_sample=False) for model in (ours, theirs)
        ]
        single = [
            model.generate(documents()[0][None], max_new_tokens=8, do_sample=False)
            for model in (ours, theirs)
        ]
    assert torch.equal(*answers)
    assert torch.equal(*single)


class Sizes(TorchDispatchMode):
    """Notes the numbers of elements that operations make."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, torch.Tensor):
                self.largest = max(self.largest, each.numel())
                self.total += each.numel()
        return made


def sizes(attention: str, count: int) -> Sizes:
    """Of a forward pass over `count` packs of 320 tokens; the hidden states have 64 numbers each."""
    pack = {"seq_lengths": [100, 120, 60, 40]}
    ids: np.ndarray[Any, Any] = np.arange(320, dtype=np.int32) % 200
    batch = Collator(0, joined=True)([{**pack, "input_ids": ids, "labels": ids}] * count)
    backbone = tiny("gemma3_text with windows", attention).eval().model
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    seen = Sizes()
    with torch.no_grad(), seen:
        backbone(**inputs, use_cache=False)
    return seen


def test_no_mask_over_the_row_is_made_and_work_grows_with_the_packs() -> None:
    four, eight = sizes(SEGMENTS, 4), sizes(SEGMENTS, 8)
    tokens = 8 * 320
    assert eight.largest < tokens * tokens / 8
    assert eight.total == pytest.approx(2 * four.total, rel=0.02)
    # The same batch under a mask, so that the measure is known to see one.
    assert sizes("sdpa", 8).largest >= tokens * tokens


def test_first_tokens_of_documents_do_not_train() -> None:
    batch = Collator(0, joined=True, pad_to_multiple_of=64)(packs())
    starts = batch["cu_seq_lens_q"][:-1].long()
    assert batch["input_ids"].shape[1] == 192
    assert (batch["labels"][0, starts] == -100).all()
    assert (batch["position_ids"][0, starts] == 0).all()
    assert (batch["labels"][0, 167:] == -100).all()
    assert batch["max_length_q"] == 64


def test_padded_batches_are_those_of_trl() -> None:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    rows = [{"input_ids": ids.tolist(), "labels": ids.tolist()} for ids in documents()]
    ours, theirs = Collator(7)(rows), DataCollatorForLanguageModeling(7)(rows)
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert torch.equal(ours[name], values), name
        assert ours[name].dtype == values.dtype


def test_joined_batches_are_those_of_trl() -> None:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    rows = [{name: list(values) for name, values in pack.items()} for pack in packs()]
    ours = Collator(7, joined=True)(packs())
    theirs = DataCollatorForLanguageModeling(7, padding_free=True)(rows)
    # Numbers for layers with a state, which are refused.
    theirs.pop("seq_idx")
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert torch.equal(torch.as_tensor(ours[name]), torch.as_tensor(values)), name
