"""Peaks that others measured on a GPU, against the formula.

Source: github.com/Anassbzdd/fitcheck, `data/measurements/t4-sweep-2026-09-15.json`: one step of
LoRA with rank 32 on the attention of a transformers model, on a Tesla T4 in float16, with all
activations computed again, AdamW in float32, and transformers' own loss on whole logits.
The number is `max_memory_allocated`, without the driver and what the allocator loses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from recipe_runner.compiler.estimate import Architecture, modules_of
from recipe_runner.compiler.estimate.activations import Forward, Trained
from recipe_runner.compiler.estimate.memory import memory
from recipe_runner.compiler.estimate.run import Run

RANK = 32


def _sizes(
    family: str, hidden: int, inner: int, layers: int, heads: int, shared: int, words: int
) -> dict[str, Any]:
    return {
        "model_type": family,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "vocab_size": words,
        "tie_word_embeddings": True,
    }


MODELS: Mapping[str, Mapping[str, Any]] = {
    "Qwen2.5-1.5B": _sizes("qwen2", 1536, 8960, 28, 12, 2, 151936),
    "SmolLM2-1.7B": _sizes("llama", 2048, 8192, 24, 32, 32, 49152),
    "SmolLM2-360M": _sizes("llama", 960, 2560, 32, 15, 5, 49152),
    "SmolLM2-135M": _sizes("llama", 576, 1536, 30, 9, 3, 49152),
    "TinyLlama-1.1B": {
        **_sizes("llama", 2048, 5632, 22, 32, 4, 32000),
        "tie_word_embeddings": False,
    },
}

# Rows, tokens of a row, whether the base is in 4 bits, whether scores are written out, MiB.
PEAKS: tuple[tuple[str, int, int, bool, bool, float], ...] = (
    ("Qwen2.5-1.5B", 2, 1024, False, True, 7405.8),
    ("Qwen2.5-1.5B", 2, 1024, False, False, 7401.8),
    ("SmolLM2-1.7B", 4, 1024, False, False, 6528.7),
    ("SmolLM2-135M", 1, 4096, False, True, 3180.1),
    ("SmolLM2-135M", 1, 4096, False, False, 3148.1),
    ("SmolLM2-360M", 1, 4096, False, False, 3754.8),
    ("TinyLlama-1.1B", 2, 512, False, True, 2757.2),
    ("TinyLlama-1.1B", 2, 512, False, False, 2756.2),
    ("TinyLlama-1.1B", 2, 1024, False, True, 3518.1),
    ("TinyLlama-1.1B", 2, 1024, False, False, 3287.8),
    ("TinyLlama-1.1B", 2, 2048, False, True, 6616.1),
    ("TinyLlama-1.1B", 2, 2048, False, False, 4354.1),
    ("Qwen2.5-1.5B", 2, 1024, True, True, 6838.5),
    ("Qwen2.5-1.5B", 2, 1024, True, False, 6827.7),
    ("SmolLM2-1.7B", 4, 1024, True, True, 5297.3),
    ("SmolLM2-135M", 1, 4096, True, True, 3679.3),
    ("SmolLM2-135M", 1, 4096, True, False, 3576.8),
    ("TinyLlama-1.1B", 2, 512, True, True, 1850.3),
    ("TinyLlama-1.1B", 2, 512, True, False, 1849.3),
    ("TinyLlama-1.1B", 2, 1024, True, True, 2876.3),
    ("TinyLlama-1.1B", 2, 1024, True, False, 2531.6),
    ("TinyLlama-1.1B", 2, 2048, True, True, 6651.0),
    ("TinyLlama-1.1B", 2, 2048, True, False, 3895.9),
)


def _run(
    model: Architecture, rows: int, length: int, *, in_four_bits: bool, written_out: bool
) -> Run:
    endings = ("q_proj", "k_proj", "v_proj", "o_proj")
    adapted = [m for m in model.modules if m.name.endswith(endings)]
    count = sum(RANK * (m.inputs + m.outputs) for m in adapted)
    # In 4 bits all that is no linear layer is in float32, and so is what runs between the layers:
    # the measurement takes `prepare_model_for_kbit_training` of PEFT. NF4 has a scale for 64.
    width = 4 if in_four_bits else 2
    few = sum(
        m.inputs * m.outputs for m in model.modules if m.kind == "linear" and m.name != model.head
    )
    base = few * (0.5 + 4 / 64) + (model.total - few) * 4 if in_four_bits else model.total * 2
    return Run(
        architecture=model,
        trained=Trained(ranks={m.name: RANK for m in adapted}),
        forward=Forward(width, width, adapter=4, length=length, eager=written_out),
        tokens=rows * length,
        scored=rows * length,
        base=round(base) + 4 * count,
        count=count,
        width=4,
        state=8.0,
        checkpointed=1,
        tiled=False,
    )


@pytest.mark.parametrize(
    ("name", "rows", "length", "in_four_bits", "written_out", "peak"),
    [
        pytest.param(
            *case, id=f"{case[0]}-{case[1]}x{case[2]}-{'nf4' if case[3] else 'fp16'}-{case[4]}"
        )
        for case in PEAKS
    ],
)
def test_the_formula_is_near_what_was_measured(
    name: str, rows: int, length: int, in_four_bits: bool, written_out: bool, peak: float
) -> None:
    model = modules_of(MODELS[name])
    assert model is not None
    found = memory(_run(model, rows, length, in_four_bits=in_four_bits, written_out=written_out))
    tensors = found.total - found.buffers
    # Scores that are written out are estimated: what a layer frees while it goes is not followed.
    assert tensors / 2**20 == pytest.approx(peak, rel=0.10 if written_out else 0.02)
