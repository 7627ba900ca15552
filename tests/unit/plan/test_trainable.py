"""Which parameters train is decided by their names, for models of several families."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from recipe_runner.plan.trainable import TrainableParts, found_by, layers_in, trains

LLAMA = (
    "model.embed_tokens.weight",
    *(
        f"model.layers.{layer}.{rest}"
        for layer in range(12)
        for rest in (
            "self_attn.q_proj.weight",
            "self_attn.q_norm.weight",
            "mlp.experts.0.up_proj.weight",
            "input_layernorm.weight",
        )
    ),
    "model.norm.weight",
    "lm_head.weight",
)
GPT2 = (
    "transformer.wte.weight",
    "transformer.wpe.weight",
    *(
        f"transformer.h.{layer}.{rest}"
        for layer in range(2)
        for rest in ("ln_1.bias", "mlp.c.bias")
    ),
    "transformer.ln_f.weight",
)
SEES = (
    *(f"model.visual.blocks.{layer}.norm1.weight" for layer in range(20)),
    "model.visual.merger.mlp.0.weight",
    *(f"model.language_model.layers.{layer}.mlp.up_proj.weight" for layer in range(3)),
    "model.language_model.norm.weight",
)


@pytest.mark.parametrize(
    ("names", "parts", "expected"),
    [
        (
            LLAMA,
            TrainableParts(last_layers=1),
            [name for name in LLAMA if name.startswith("model.layers.11.")],
        ),
        (LLAMA, TrainableParts(embeddings=True), ["model.embed_tokens.weight"]),
        (LLAMA, TrainableParts(head=True), ["lm_head.weight"]),
        (LLAMA, TrainableParts(norms=True), [name for name in LLAMA if "norm" in name]),
        (LLAMA[:-1], TrainableParts(head=True), ["model.embed_tokens.weight"]),
        (
            GPT2,
            TrainableParts(last_layers=1, norms=True),
            [
                "transformer.h.0.ln_1.bias",
                "transformer.h.1.ln_1.bias",
                "transformer.h.1.mlp.c.bias",
                "transformer.ln_f.weight",
            ],
        ),
        (GPT2, TrainableParts(embeddings=True), list(GPT2[:2])),
        (SEES, TrainableParts(vision=True), list(SEES[:21])),
        (
            SEES,
            TrainableParts(last_layers=2, norms=True),
            [*SEES[22:24], "model.language_model.norm.weight"],
        ),
    ],
    ids=[
        "the last of twelve",
        "embeddings",
        "head",
        "norms",
        "a tied head",
        "gpt2",
        "gpt2 embeddings",
        "vision",
        "text layers beside vision",
    ],
)
def test_parts_find_their_parameters(
    names: Sequence[str], parts: TrainableParts, expected: Sequence[str]
) -> None:
    assert sorted(trains(names, parts=parts)) == sorted(expected)


def test_patterns_add_to_parts_and_frozen_ones_are_taken_away() -> None:
    found = trains(
        LLAMA, parts=TrainableParts(last_layers=2), patterns=["lm_head"], freeze=[r"\.10\.", "norm"]
    )
    assert found == {
        "model.layers.11.self_attn.q_proj.weight",
        "model.layers.11.mlp.experts.0.up_proj.weight",
        "lm_head.weight",
    }


def test_everything_trains_where_nothing_is_said() -> None:
    assert trains(LLAMA) == set(LLAMA)
    assert trains(LLAMA, parts=TrainableParts()) == set()


def test_more_layers_than_there_are_find_nothing() -> None:
    assert layers_in(LLAMA) == 12
    assert found_by(LLAMA, TrainableParts(last_layers=13)) == {"last_layers": frozenset()}
