"""`python -m tests.runs.quantizations.table [TYPE ...]`: every quantization, on a tiny decoder.

Each trains a LoRA for 20 steps from a recipe on a CPU, saves it, and puts it by plain PEFT
on a base that transformers quantizes in the same way. Prints a table: bits of a weight of
a real layer beside those that the plan counts with, the loss before and after and how far
that of the reloaded model is from it; or what was said instead.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner.components.base import create, discover
from tests.runs.adapters.matrix import Case as Adapted
from tests.runs.adapters.matrix import as_stored, loss_of, trained

AXIS = "recipe_runner.components.quantizations"
NEAR = 5e-3
"""Losses of one quantized model are as near as this: products of few bits round as they like."""

VARIANTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "bnb_4bit": [{}, {"bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": False}],
    "quanto": [{}, {"weights": "int4"}],
    "torchao": [
        {},
        {"quant_type": "int8_dynamic_activation_int8_weight"},
        {"quant_type": "int4_weight_only"},
    ],
}
"""Options that are tried, where the defaults alone do not show what a type can do."""


@dataclass(frozen=True)
class Case:
    """A quantization with its options."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the table calls it."""
        return " ".join([self.type, *(str(value) for value in self.options.values())])


@dataclass(frozen=True)
class Result:
    """Bits of a weight as counted and as measured, and losses; or what was said."""

    counted: float = 0.0
    bits: float = 0.0
    before: float = 0.0
    after: float = 0.0
    reloaded: float = 0.0
    said: str = ""

    @property
    def works(self) -> bool:
        """True where the loss fell, the reloaded model has the same, and the bits are right."""
        return (
            0 < self.after < self.before
            and abs(self.reloaded - self.after) < NEAR
            and abs(self.bits - self.counted) < 0.02 * self.counted
        )

    def __str__(self) -> str:
        if not self.after:
            return self.said
        return (
            f"{'ok ' if self.works else 'NO '} {self.bits:6.3f} bits ({self.counted:.3f} counted)"
            f"  {self.before:.4f} -> {self.after:.4f}   reloaded {self.reloaded - self.after:+.0e}"
        )


def cases(types: Sequence[str] = ()) -> Iterator[Case]:
    """Each type, with the options that are tried."""
    for name in discover(AXIS):
        if not types or name in types:
            yield from (Case(name, options) for options in VARIANTS.get(name, [{}]))


def run(case: Case, folder: Path, model: Path, wide: Path) -> Result:
    """Train a case in this process; `wide` is a model with layers large enough to weigh."""
    quantization = {"type": case.type, **case.options}
    found = trained(Adapted("lora", "", {"r": 4}, quantization), folder, model)
    if found.saved is None:
        return Result(said=found.said)
    from peft import PeftModel
    from transformers import AutoTokenizer

    reloaded = PeftModel.from_pretrained(_base(model, case), found.saved).eval()
    tokenizer = AutoTokenizer.from_pretrained(found.saved)
    return Result(
        counted=create(AXIS, quantization).weight_bits,
        bits=_bits(_base(wide, case)),
        before=found.before,
        after=found.after,
        reloaded=loss_of(reloaded, tokenizer, folder / "rows.jsonl"),
    )


def _base(model: Path, case: Case) -> Any:
    """The model as transformers quantizes it, told by hand."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig, QuantoConfig, TorchAoConfig

    options = dict(case.options)
    config: Any
    if case.type == "bnb_4bit":
        options.setdefault("bnb_4bit_quant_type", "nf4")
        options.setdefault("bnb_4bit_use_double_quant", True)
        config = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32, **options
        )
    elif case.type == "bnb_8bit":
        config = BitsAndBytesConfig(load_in_8bit=True)
    elif case.type == "quanto":
        config = QuantoConfig(weights=options.get("weights", "int8"))
    else:
        from torchao.quantization import Int8WeightOnlyConfig

        config = TorchAoConfig(Int8WeightOnlyConfig())
    return as_stored(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, quantization_config=config)
    )


def _bits(model: Any) -> float:
    """Bits per weight of the largest linear layer, with all its tensors."""
    layer = model.model.layers[0].mlp.gate_proj
    return 8 * sum(_bytes(tensor) for tensor in _tensors(layer)) / (1024 * 1024)


def _tensors(layer: Any) -> Iterator[Any]:
    weight = layer.weight
    parts = getattr(weight, "__tensor_flatten__", None)
    if parts is not None:
        yield from (getattr(weight, name) for name in parts()[0])
        return
    yield weight
    state = getattr(weight, "quant_state", None)
    if state is not None:
        yield state.absmax
        if state.state2 is not None:
            yield state.state2.absmax


def _bytes(tensor: Any) -> int:
    inner = getattr(tensor, "__tensor_flatten__", None)
    if inner is not None:
        return sum(_bytes(getattr(tensor, name)) for name in inner()[0])
    return int(tensor.numel() * tensor.element_size())


def main(types: Sequence[str]) -> int:
    """Run the cases and print the table; the exit code counts what ran and does not work."""
    from tests.tiny import tiny_model

    failed = 0
    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        model, wide = tiny_model(root / "model"), wide_model(root / "wide")
        for number, case in enumerate(cases(types)):
            folder = root / str(number)
            folder.mkdir()
            result = run(case, folder, model, wide)
            failed += bool(result.after) and not result.works
            print(f"{case.name:46} {result}", flush=True)
    return min(failed, 100)


def wide_model(folder: Path) -> Path:
    """A random decoder with layers of 1024 by 1024 weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        "llama",
        vocab_size=64,
        hidden_size=1024,
        intermediate_size=1024,
        num_hidden_layers=1,
        num_attention_heads=8,
        num_key_value_heads=8,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
