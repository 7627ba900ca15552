"""What a decoder layer is made of in each family, and what stands before and after the layers.

Names are relative to the layer, or to the model without its head. A function of a layer takes
its index: in some families not all are alike.
"""

from collections.abc import Iterable, Iterator

from recipe_runner.compiler.estimate.architecture import (
    Module,
    embedding,
    linear,
    norm,
    transposed,
)
from recipe_runner.compiler.estimate.values import Values

_AFTER_ATTENTION = ("input_layernorm", "post_attention_layernorm")
_AFTER_EACH = (*_AFTER_ATTENTION, "pre_feedforward_layernorm", "post_feedforward_layernorm")


def plain_ends(v: Values) -> Iterator[Module]:
    """Embeddings, and one norm at the end."""
    yield embedding("embed_tokens", v.rows, v.hidden)
    yield norm("norm", v.hidden)


def _attention(v: Values, *, inputs: bool, output: bool, normed: bool = False) -> Iterator[Module]:
    """Attention with grouped keys; `inputs` and `output` are whether these layers have biases."""
    whole, shared = v.heads * v.head_dim, v.key_value_heads * v.head_dim
    for name, width in (("q_proj", whole), ("k_proj", shared), ("v_proj", shared)):
        yield linear(f"self_attn.{name}", width, v.hidden, bias=inputs)
    yield linear("self_attn.o_proj", v.hidden, whole, bias=output)
    if normed:
        yield norm("self_attn.q_norm", v.head_dim)
        yield norm("self_attn.k_norm", v.head_dim)


def _gated(v: Values, *, bias: bool = False) -> Iterator[Module]:
    yield linear("mlp.gate_proj", v.inner, v.hidden, bias=bias)
    yield linear("mlp.up_proj", v.inner, v.hidden, bias=bias)
    yield linear("mlp.down_proj", v.hidden, v.inner, bias=bias)


def _experts(v: Values, count: int, inner: int) -> Iterator[Module]:
    """A router and its experts, whose weights are one parameter for all of them."""
    yield Module("mlp.gate", "other", {"weight": (count, v.hidden)})
    shapes = {"gate_up_proj": (count, 2 * inner, v.hidden), "down_proj": (count, v.hidden, inner)}
    yield Module("mlp.experts", "other", shapes)


def _norms(v: Values, names: Iterable[str] = _AFTER_ATTENTION) -> Iterator[Module]:
    return (norm(name, v.hidden) for name in names)


def llama(v: Values, _: int) -> Iterator[Module]:
    """Llama, and those that differ from it in numbers only."""
    bias = v.flag("attention_bias")
    yield from _attention(v, inputs=bias, output=bias)
    yield from _gated(v, bias=v.flag("mlp_bias"))
    yield from _norms(v)


def mistral(v: Values, _: int) -> Iterator[Module]:
    """Mistral and Gemma's like: no bias in the feed-forward layers."""
    bias = v.flag("attention_bias")
    yield from _attention(v, inputs=bias, output=bias)
    yield from _gated(v)
    yield from _norms(v)


def qwen2(v: Values, _: int) -> Iterator[Module]:
    """Qwen2: biases where queries, keys and values are made."""
    yield from _attention(v, inputs=True, output=False)
    yield from _gated(v)
    yield from _norms(v)


def qwen3(v: Values, _: int) -> Iterator[Module]:
    """Qwen3: norms on queries and keys."""
    bias = v.flag("attention_bias")
    yield from _attention(v, inputs=bias, output=bias, normed=True)
    yield from _gated(v)
    yield from _norms(v)


def qwen3_moe(v: Values, index: int) -> Iterator[Module]:
    """Qwen3 with experts in every `decoder_sparse_step`th layer."""
    bias = v.flag("attention_bias")
    yield from _attention(v, inputs=bias, output=bias, normed=True)
    dense = index in (v["mlp_only_layers"] or ())
    if not dense and (index + 1) % v.number("decoder_sparse_step") == 0:
        yield from _experts(v, v.number("num_experts"), v.number("moe_intermediate_size"))
    else:
        yield from _gated(v)
    yield from _norms(v)


def mixtral(v: Values, _: int) -> Iterator[Module]:
    """Mixtral: experts in every layer."""
    yield from _attention(v, inputs=False, output=False)
    yield from _experts(v, v.number("num_local_experts"), v.inner)
    yield from _norms(v)


def gemma2(v: Values, _: int) -> Iterator[Module]:
    """Gemma 2: norms before and after each part."""
    bias = v.flag("attention_bias")
    yield from _attention(v, inputs=bias, output=bias)
    yield from _gated(v)
    yield from _norms(v, _AFTER_EACH)


def gemma3(v: Values, _: int) -> Iterator[Module]:
    """Gemma 3: the same, with norms on queries and keys."""
    bias = v.flag("attention_bias")
    yield from _attention(v, inputs=bias, output=bias, normed=True)
    yield from _gated(v)
    yield from _norms(v, _AFTER_EACH)


def phi3(v: Values, _: int) -> Iterator[Module]:
    """Phi-3: one layer makes queries, keys and values, one both halves of the gate."""
    whole, shared = v.heads * v.head_dim, v.key_value_heads * v.head_dim
    yield linear("self_attn.o_proj", v.hidden, whole)
    yield linear("self_attn.qkv_proj", whole + 2 * shared, v.hidden)
    yield linear("mlp.gate_up_proj", 2 * v.inner, v.hidden)
    yield linear("mlp.down_proj", v.hidden, v.inner)
    yield from _norms(v)


def gpt2(v: Values, _: int) -> Iterator[Module]:
    """GPT-2."""
    inner = v["n_inner"] or 4 * v.hidden
    yield norm("ln_1", v.hidden, bias=True)
    yield transposed("attn.c_attn", 3 * v.hidden, v.hidden)
    yield transposed("attn.c_proj", v.hidden, v.hidden)
    yield norm("ln_2", v.hidden, bias=True)
    yield transposed("mlp.c_fc", inner, v.hidden)
    yield transposed("mlp.c_proj", v.hidden, inner)


def gpt2_ends(v: Values) -> Iterator[Module]:
    """Embeddings of tokens and positions, and one norm at the end."""
    yield embedding("wte", v.rows, v.hidden)
    yield embedding("wpe", v.number("max_position_embeddings"), v.hidden)
    yield norm("ln_f", v.hidden, bias=True)


def gpt_neox(v: Values, _: int) -> Iterator[Module]:
    """GPT-NeoX, and Pythia."""
    bias = v.flag("attention_bias")
    yield norm("input_layernorm", v.hidden, bias=True)
    yield norm("post_attention_layernorm", v.hidden, bias=True)
    yield linear("attention.query_key_value", 3 * v.hidden, v.hidden, bias=bias)
    yield linear("attention.dense", v.hidden, v.hidden, bias=bias)
    yield linear("mlp.dense_h_to_4h", v.inner, v.hidden, bias=True)
    yield linear("mlp.dense_4h_to_h", v.hidden, v.inner, bias=True)


def gpt_neox_ends(v: Values) -> Iterator[Module]:
    """Embeddings, and one norm at the end."""
    yield embedding("embed_in", v.rows, v.hidden)
    yield norm("final_layer_norm", v.hidden, bias=True)


def opt(v: Values, _: int) -> Iterator[Module]:
    """OPT."""
    bias, inner = v.flag("enable_bias"), v.number("ffn_dim")
    for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
        yield linear(f"self_attn.{name}", v.hidden, v.hidden, bias=bias)
    yield from _affine(v, "self_attn_layer_norm")
    yield linear("fc1", inner, v.hidden, bias=bias)
    yield linear("fc2", v.hidden, inner, bias=bias)
    yield from _affine(v, "final_layer_norm")


def opt_ends(v: Values) -> Iterator[Module]:
    """Embeddings that may be narrower than the layers, and positions, which start at the third row."""
    narrow = v["word_embed_proj_dim"] or v.hidden
    yield embedding("embed_tokens", v.rows, narrow)
    yield embedding("embed_positions", v.number("max_position_embeddings") + 2, v.hidden)
    if narrow != v.hidden:
        yield linear("project_out", narrow, v.hidden)
        yield linear("project_in", v.hidden, narrow)
    if v.flag("do_layer_norm_before") and not v.flag("_remove_final_layer_norm"):
        yield from _affine(v, "final_layer_norm")


def _affine(v: Values, name: str) -> Iterator[Module]:
    if v.flag("layer_norm_elementwise_affine"):
        yield norm(name, v.hidden, bias=True)
