"""Layers that keep less compute what they computed: the loss, every gradient, in every way of training."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from recipe_runner.execute.speed.fused_layers import ADAPTERS, GATES, NORMS, Fused, install, why_not
from recipe_runner.execute.speed.refused import Refused
from tests.runs.algorithms.matrix import Case
from tests.runs.speed.table import run
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs

FAMILIES = ("llama", "qwen3", "mistral", "gemma", "gemma2", "gemma3_text", "phi3", "olmo2", "glm")
LINEAR = {"phi3": 8, "glm": 12}
"""Linear layers of those whose products are joined."""
EXACT = 1e-5
"""Gradients in float32, in parts of their length."""
HALF = torch.bfloat16
SIZES = {
    "vocab_size": 97,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}


def _model(
    family: str, lora: dict[str, Any] | None = None, dtype: torch.dtype = torch.float32
) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SIZES)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if "norm" in name:
                each.add_(torch.randn_like(each), alpha=0.1)
    return (model if lora is None else _adapted(model, lora)).train()


def _adapted(model: Any, lora: dict[str, Any]) -> Any:
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", **lora))
    for name, each in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(each, std=0.1)
    return model


def _computing(cast: bool) -> Any:
    return torch.autocast("cpu", HALF) if cast else contextlib.nullcontext()


def _step(model: Any, cast: bool = False) -> tuple[dict[str, torch.Tensor], int]:
    """The loss and all gradients by their names, and the bytes that were kept in between."""
    ids = torch.arange(2, 50).view(2, 24)
    own = {each.untyped_storage().data_ptr() for each in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    model.zero_grad()
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with _computing(cast), hooks:
        loss = model(input_ids=ids, labels=ids).loss
    size = sum(each.nbytes() for each in kept.values())
    loss.backward()
    found = {n: each.grad.clone() for n, each in model.named_parameters() if each.grad is not None}
    return {"loss": loss.detach(), **found}, size


@contextlib.contextmanager
def _fused(model: Any, cast: bool = False) -> Iterator[Fused]:
    with ExitStack() as stack:
        yield install(model, stack, lambda: _computing(cast))


def _apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(
        float((one[n].double() - other[n].double()).norm() / one[n].double().norm().clamp(min=1e-9))
        for n in one
    )


@pytest.mark.parametrize("lora", [None, {"lora_alpha": 8}], ids=["full", "LoRA"])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_the_plain_model(family: str, lora: Any) -> None:
    model = _model(family, lora)
    usual, size = _step(model)
    with _fused(model) as fused:
        ours, less = _step(model)
    assert fused.counts[GATES] == 2
    assert fused.counts[NORMS] >= 5
    assert (
        fused.counts[ADAPTERS] == (0 if lora is None else 8 if family in ("phi3", "glm") else 14)
        or family == "glm"
    )
    assert not fused.left
    assert _apart(usual, ours) < EXACT
    assert less < size
    again, as_before = _step(model)
    assert as_before == size
    assert _apart(usual, again) == 0
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("family", ["llama", "gemma", "phi3", "qwen3", "gemma3_text"])
@pytest.mark.parametrize("lora", [None, {"lora_alpha": 8}], ids=["full", "LoRA"])
@pytest.mark.parametrize(
    ("dtype", "cast"),
    [(torch.float32, True), (HALF, True), (HALF, False)],
    ids=["autocast", "bfloat16 under autocast", "bfloat16"],
)
def test_sixteen_bits_are_as_close_to_float32_as_without(
    family: str, lora: Any, dtype: torch.dtype, cast: bool
) -> None:
    model = _model(family, lora, dtype)
    usual, size = _step(model, cast)
    with _fused(model, cast) as fused:
        ours, less = _step(model, cast)
    assert not fused.left
    assert {n: each.dtype for n, each in ours.items()} == {
        n: each.dtype for n, each in usual.items()
    }
    true, _ = _step(model.float())
    assert _apart(true, ours) < 1.25 * _apart(true, usual)
    assert less < size


def test_each_type_of_norm_is_told_apart_by_what_it_computes() -> None:
    for family in ("llama", "olmo2", "gemma"):
        model = _model(family, dtype=HALF)
        usual, _ = _step(model)
        with _fused(model):
            ours, _ = _step(model)
        assert torch.equal(usual["loss"], ours["loss"])


@pytest.mark.parametrize("lora", [None, {"lora_alpha": 8}], ids=["full", "LoRA"])
@pytest.mark.parametrize("reentrant", [False, True])
def test_beside_activations_that_are_computed_again(lora: Any, reentrant: bool) -> None:
    model = _model("qwen3", lora)
    usual, _ = _step(model)
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    with _fused(model):
        ours, _ = _step(model)
    assert _apart(usual, ours) < EXACT


def test_parts_that_do_not_train_get_no_gradient() -> None:
    model = _model("llama")
    for name, each in model.named_parameters():
        each.requires_grad_("layers.1.mlp.down_proj" in name or "layers.1.input_layernorm" in name)
    usual, _ = _step(model)
    with _fused(model):
        ours, _ = _step(model)
    assert len(ours) == 3
    assert _apart(usual, ours) < EXACT


def test_a_graph_can_be_gone_through_twice() -> None:
    model = _model("llama", {"lora_alpha": 8})
    ids = torch.arange(2, 50).view(2, 24)
    with _fused(model):
        loss = model(input_ids=ids, labels=ids).loss
        trained = [each for each in model.parameters() if each.requires_grad]
        first = torch.autograd.grad(loss, trained, retain_graph=True)
        second = torch.autograd.grad(loss, trained)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_an_adapter_that_is_off_is_off() -> None:
    model = _model("llama", {"lora_alpha": 8})
    ids = torch.arange(2, 50).view(2, 24)
    with torch.no_grad(), model.disable_adapter():
        usual = model(input_ids=ids).logits
    with _fused(model), torch.no_grad():
        with model.disable_adapter():
            ours = model(input_ids=ids).logits
        adapted = model(input_ids=ids).logits
    torch.testing.assert_close(usual, ours)
    assert not torch.allclose(adapted, ours, atol=1e-3)


@pytest.mark.parametrize(
    ("lora", "why"),
    [
        ({"lora_dropout": 0.1}, "`lora_dropout` drops inputs"),
        ({"use_dora": True}, "its adapter is no plain LoRA"),
    ],
    ids=["dropout", "DoRA"],
)
def test_other_adapters_compute_as_before_beside_norms_and_gates(lora: Any, why: str) -> None:
    model = _model("llama", lora)
    torch.manual_seed(0)
    usual, size = _step(model)
    with _fused(model) as fused:
        torch.manual_seed(0)
        ours, less = _step(model)
    assert fused.counts == {GATES: 2, NORMS: 5}
    assert why in str(fused)
    assert _apart(usual, ours) < EXACT
    assert less < size


def test_a_base_in_four_bits() -> None:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    kind = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(_folder()))
        _model("llama").save_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=kind)
    model = _adapted(model, {"lora_alpha": 8}).train()
    usual, size = _step(model)
    with _fused(model) as fused:
        ours, less = _step(model)
    assert fused.counts == {ADAPTERS: 14, GATES: 2, NORMS: 5}
    assert _apart(usual, ours) < 1e-4
    assert less < size


def _folder() -> Any:
    import tempfile

    return tempfile.TemporaryDirectory()


def _impostors() -> dict[str, type]:
    """Classes that look like a known layer of Llama, and compute something else."""
    from transformers.models.llama.modeling_llama import LlamaMLP, LlamaRMSNorm

    class OtherMLP(LlamaMLP):
        def forward(self, x: Any) -> Any:
            return self.down_proj(self.act_fn(self.up_proj(x)) * self.gate_proj(x))

    class ScaledMLP(LlamaMLP):
        def forward(self, x: Any) -> Any:
            return super().forward(x) * 1.05

    class OtherRMSNorm(LlamaRMSNorm):
        def forward(self, hidden_states: Any) -> Any:
            return super().forward(hidden_states) + 0.1 * hidden_states

    return {"swapped": OtherMLP, "scaled": ScaledMLP, "norm": OtherRMSNorm}


@pytest.mark.parametrize("cast", [False, True], ids=["float32", "autocast"])
@pytest.mark.parametrize("name", ["swapped", "scaled", "norm"])
def test_a_layer_that_computes_something_else_is_left_alone(name: str, cast: bool) -> None:
    model = _model("llama")
    impostor = _impostors()[name]
    layer = model.model.layers[1]
    strange = layer.input_layernorm if name == "norm" else layer.mlp
    strange.__class__ = impostor
    usual, _ = _step(model)
    with _fused(model, cast) as fused:
        ours, _ = _step(model)
    assert fused.counts == ({GATES: 2, NORMS: 4} if name == "norm" else {GATES: 1, NORMS: 5})
    assert f"of {impostor.__name__} as before: the result is " in str(fused)
    assert "apart" in str(fused)
    assert _apart(usual, ours) < EXACT


def test_an_activation_that_is_not_known_is_left_alone() -> None:
    model = _model("llama")
    for layer in model.model.layers:
        layer.mlp.act_fn = torch.nn.ReLU()
    with _fused(model) as fused:
        pass
    assert fused.counts == {NORMS: 5}
    assert "its activation is ReLU" in str(fused)


def test_a_model_of_other_layers_is_refused() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("gpt2", n_embd=32, n_layer=1, n_head=2, vocab_size=64)
    model = AutoModelForCausalLM.from_config(config)
    with ExitStack() as stack, pytest.raises(Refused, match="nothing is known"):
        install(model, stack, contextlib.nullcontext)
    assert why_not(model.transformer) is not None
    assert why_not(_model("llama")) is None


def test_no_random_number_of_the_run_is_drawn() -> None:
    model = _model("llama", {"lora_alpha": 8})
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with _fused(model):
        assert torch.equal(torch.rand(4), expected)
    assert all(each.grad is None for each in model.parameters())


@pytest.mark.parametrize("adapter", [None, {"type": "lora", "r": 4}], ids=["full", "LoRA"])
def test_a_run_notes_what_was_replaced(adapter: Any, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    sections: dict[str, Any] = {"adapter": adapter} if adapter else {}
    alone = {"levers": "off", "fused_layers": "require"}
    usual = run(Case("sft"), tmp_path / "off", model, model, {**sections, "speed": "off"})
    ours = run(Case("sft"), tmp_path / "on", model, model, {**sections, "speed": alone})
    assert ours.said == usual.said == ""
    told = ours.levers["fused_layers"]
    assert told["state"] == "applied"
    assert told["did"].endswith("2 gates, 5 norms by kernels of torch")
    assert json.loads(json.dumps(ours.losses)) == pytest.approx(usual.losses, rel=1e-5)
    assert ours.norms == pytest.approx(usual.norms, rel=1e-4)


def test_what_is_hooked_after_it_was_replaced_is_called() -> None:
    model = _model("llama", {"lora_alpha": 8})
    with _fused(model):
        called: list[Any] = []
        layer = model.base_model.model.model.layers[0]
        for part in (layer.mlp.down_proj, layer.self_attn.q_proj.lora_A["default"]):
            part.register_forward_hook(lambda part, *_: called.append(part))
        usual, _ = _step(model)
    assert len(called) == 2
    again, _ = _step(model)
    assert _apart(again, usual) < EXACT


def test_the_result_of_a_norm_can_be_changed_in_place() -> None:
    model = _model("llama", {"lora_alpha": 8})
    layer = model.base_model.model.model.layers[0]
    attend = layer.self_attn.forward

    def in_place(*args: Any, hidden_states: torch.Tensor, **kwargs: Any) -> Any:
        return attend(*args, hidden_states=hidden_states.mul_(2), **kwargs)

    layer.self_attn.forward = in_place
    with _fused(model):
        ours, _ = _step(model)
    usual, _ = _step(model)
    assert _apart(usual, ours) < EXACT
