"""The decoders that go into a GGUF file here, and what llama.cpp wants to know of each.

An entry is added together with a case in `tests/runs/exports/cases.py`, whose logits in
llama.cpp `test_llama_cpp.py` compares with those of transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Writer = Any
Config = Any


def _nothing(writer: Writer, config: Config) -> None:
    del writer, config


@dataclass(frozen=True)
class Architecture:
    """How a decoder of transformers is one of llama.cpp.

    `name` is llama.cpp's. With `pairs_adjacent` its rotary embedding turns neighbouring
    numbers of a head, where transformers turns those half a head apart: the rows of the
    query and key projections are put in another order. `numbers` writes what only this
    architecture has. `biases` is False where llama.cpp reads no bias of the attention,
    `factors` is True where it was seen to read a factor for each frequency.
    """

    name: str
    pairs_adjacent: bool = False
    biases: bool = True
    factors: bool = False
    any_head_dim: bool = True
    numbers: Callable[[Writer, Config], None] = _nothing


def _granite(writer: Writer, config: Config) -> None:
    writer.add_attention_scale(config.attention_multiplier)
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_logit_scale(config.logits_scaling)


ARCHITECTURES: Mapping[str, Architecture] = {
    "granite": Architecture("granite", pairs_adjacent=True, any_head_dim=False, numbers=_granite),
    "llama": Architecture("llama", pairs_adjacent=True, factors=True),
    "mistral": Architecture("llama", pairs_adjacent=True, factors=True),
    "olmo2": Architecture("olmo2", biases=False, any_head_dim=False),
    "qwen2": Architecture("qwen2", any_head_dim=False),
    "qwen3": Architecture("qwen3", biases=False),
    "smollm3": Architecture("smollm3", pairs_adjacent=True, biases=False),
}
"""By the `model_type` of transformers."""


def head_dim(config: Config) -> int:
    """Numbers per attention head."""
    explicit = getattr(config, "head_dim", None)
    return int(explicit or config.hidden_size // config.num_attention_heads)


def obstacles(architecture: Architecture, config: Config) -> Iterator[str]:
    """What a configuration asks for that llama.cpp has not, each as part of a sentence."""
    if config.hidden_act != "silu":
        yield f"its activation is {config.hidden_act}"
    if getattr(config, "attention_bias", False) and not architecture.biases:
        yield "its attention has biases"
    if not architecture.any_head_dim and (
        head_dim(config) * config.num_attention_heads != config.hidden_size
    ):
        yield f"its heads have {head_dim(config)} numbers each"
    yield from _positions(architecture, config)
    yield from _windows(config)
    # llama.cpp leaves positions out in every fourth layer, whatever the file says.
    without = getattr(config, "no_rope_layers", None)
    if without is not None and [bool(each) for each in without] != [
        (number + 1) % 4 != 0 for number in range(config.num_hidden_layers)
    ]:
        yield "its layers without positions are not every fourth one"


def _positions(architecture: Architecture, config: Config) -> Iterator[str]:
    turn = rope(config)
    kind = turn.get("rope_type", "default")
    if kind not in ("default", "linear", "yarn", "llama3"):
        yield f"its positions are scaled by {kind}"
        return
    if kind != "default" and turn.get("partial_rotary_factor", 1.0) != 1.0:
        yield f"its positions turn {turn['partial_rotary_factor']:g} of a head"
    if kind == "llama3" and not architecture.factors:
        yield f"its positions are scaled by llama3, which {architecture.name} has not in llama.cpp"
    if kind == "yarn":
        if turn.get("factor") is None:
            yield "its positions are scaled by yarn without a factor"
            return
        # llama.cpp has no other strength than the paper's (arXiv 2309.00071), and what a file
        # says beside it is multiplied with that. It always cuts the range to whole numbers.
        usual = max(1.0, 0.1 * math.log(turn["factor"]) + 1.0)
        strength = _yarn_strength(config)
        if abs(strength - usual) > 1e-4:
            yield f"its positions are scaled by yarn with a strength of {strength:.4g}"
        if turn.get("truncate") is False:
            yield "its positions are scaled by yarn with a range that is not cut (`truncate`)"


def _yarn_strength(config: Config) -> float:
    """What transformers multiplies the turned numbers with (`attention_factor`, `mscale`)."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    _, strength = ROPE_INIT_FUNCTIONS["yarn"](config, "cpu")
    return float(strength)


def _windows(config: Config) -> Iterator[str]:
    """A window is no obstacle where no sequence is longer than it."""
    kinds = getattr(config, "layer_types", None)
    sliding = "sliding_attention" in kinds if kinds is not None else True
    window = getattr(config, "sliding_window", None)
    if sliding and window is not None and window < config.max_position_embeddings:
        yield f"its attention looks back {window} tokens only"


def rope(config: Config) -> Mapping[str, Any]:
    """How positions are written: `rope_type`, `rope_theta` and what belongs to them."""
    return getattr(config, "rope_parameters", None) or {}


def write_numbers(writer: Writer, architecture: Architecture, config: Config) -> None:
    """Write the sizes of the model and how its positions turn."""
    import gguf

    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_key_length(head_dim(config))
    writer.add_value_length(head_dim(config))
    writer.add_rope_dimension_count(head_dim(config))
    turn = rope(config)
    writer.add_rope_freq_base(float(turn.get("rope_theta", 10_000.0)))
    kind = turn.get("rope_type", "default")
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(turn["factor"]))
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(float(turn["factor"]))
        writer.add_rope_scaling_orig_ctx_len(
            int(turn.get("original_max_position_embeddings") or config.max_position_embeddings)
        )
        for key, write in (
            ("beta_fast", writer.add_rope_scaling_yarn_beta_fast),
            ("beta_slow", writer.add_rope_scaling_yarn_beta_slow),
        ):
            if turn.get(key) is not None:
                write(float(turn[key]))
    architecture.numbers(writer, config)


def rope_factors(config: Config) -> Any | None:
    """By what llama.cpp divides each frequency, for `rope_type: llama3`; None for others.

    Source: the ratio of transformers' own frequencies without and with the scaling.
    """
    turn = rope(config)
    if turn.get("rope_type") != "llama3":
        return None
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    width = head_dim(config)
    plain = 1.0 / float(turn["rope_theta"]) ** (np.arange(0, width, 2) / width)
    return (plain / scaled.double().numpy()).astype(np.float32)


def arranged(architecture: Architecture, config: Config, name: str, value: Any) -> Any:
    """A tensor in the order of rows in which llama.cpp turns the numbers of a head."""
    if not architecture.pairs_adjacent or not _turned(name):
        return value
    heads = config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads
    halves = value.reshape(heads, 2, value.shape[0] // heads // 2, *value.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(value.shape))


def _turned(name: str) -> bool:
    return ".self_attn.q_proj." in name or ".self_attn.k_proj." in name
