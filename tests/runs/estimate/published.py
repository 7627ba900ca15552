"""Configurations of known models, by the dimensions that their makers published, and tiny ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SMALL = {
    "vocab_size": 96,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
_SHARED = {**_SMALL, "num_key_value_heads": 2}


def _wide(
    vocab: int, hidden: int, inner: int, layers: int, heads: int, shared: int
) -> dict[str, Any]:
    return {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
    }


CONFIGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "llama tiny": ("llama", {**_SHARED, "attention_bias": True, "mlp_bias": True}),
    "llama tied, wide heads": ("llama", {**_SHARED, "head_dim": 20, "tie_word_embeddings": True}),
    "Llama-3.2-1B": (
        "llama",
        {**_wide(128256, 2048, 8192, 16, 32, 8), "head_dim": 64, "tie_word_embeddings": True},
    ),
    "mistral tiny": ("mistral", _SHARED),
    "Mistral-7B-v0.1": ("mistral", _wide(32000, 4096, 14336, 32, 32, 8)),
    "qwen2 tiny": ("qwen2", {**_SHARED, "tie_word_embeddings": True}),
    "Qwen2.5-7B": ("qwen2", _wide(152064, 3584, 18944, 28, 28, 4)),
    "qwen3 tiny": ("qwen3", {**_SHARED, "head_dim": 16, "attention_bias": True}),
    "Qwen3-0.6B": (
        "qwen3",
        {**_wide(151936, 1024, 3072, 28, 16, 8), "head_dim": 128, "tie_word_embeddings": True},
    ),
    "gemma tiny": ("gemma", {**_SHARED, "head_dim": 16}),
    "gemma-2b": ("gemma", {**_wide(256000, 2048, 16384, 18, 8, 1), "head_dim": 256}),
    "gemma2 tiny": ("gemma2", {**_SHARED, "head_dim": 16}),
    "gemma-2-2b": ("gemma2", {**_wide(256000, 2304, 9216, 26, 8, 4), "head_dim": 256}),
    "gemma3 tiny": ("gemma3_text", {**_SHARED, "head_dim": 16, "tie_word_embeddings": False}),
    "gemma-3-1b": ("gemma3_text", {**_wide(262144, 1152, 6912, 26, 4, 1), "head_dim": 256}),
    "phi3 tiny": ("phi3", {**_SHARED, "pad_token_id": 0}),
    "Phi-3-mini": ("phi3", _wide(32064, 3072, 8192, 32, 32, 32)),
    "smollm3 tiny": ("smollm3", {**_SHARED, "mlp_bias": True, "pad_token_id": 0}),
    "SmolLM3-3B": ("smollm3", _wide(128256, 2048, 11008, 36, 16, 4)),
    "gpt2 tiny": (
        "gpt2",
        {"vocab_size": 96, "n_embd": 48, "n_layer": 3, "n_head": 4, "n_inner": 80},
    ),
    "gpt2": ("gpt2", {"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12}),
    "gpt_neox tiny": ("gpt_neox", {**_SMALL, "attention_bias": False}),
    "pythia-160m": (
        "gpt_neox",
        {
            "vocab_size": 50304,
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
        },
    ),
    "opt tiny, narrow": (
        "opt",
        {
            "vocab_size": 96,
            "hidden_size": 48,
            "ffn_dim": 80,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "word_embed_proj_dim": 24,
            "do_layer_norm_before": False,
        },
    ),
    "opt-125m": (
        "opt",
        {
            "vocab_size": 50272,
            "hidden_size": 768,
            "ffn_dim": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "word_embed_proj_dim": 768,
        },
    ),
    "mixtral tiny": ("mixtral", {**_SHARED, "num_local_experts": 3}),
    "Mixtral-8x7B": ("mixtral", _wide(32000, 4096, 14336, 32, 32, 8)),
    "qwen3_moe tiny, dense layers": (
        "qwen3_moe",
        {
            **_SHARED,
            "head_dim": 16,
            "num_experts": 4,
            "moe_intermediate_size": 24,
            "mlp_only_layers": [1],
        },
    ),
    "Qwen3-30B-A3B": (
        "qwen3_moe",
        {**_wide(151936, 2048, 6144, 48, 32, 4), "head_dim": 128, "num_experts": 128},
    ),
}
"""`model_type` and the configuration's values, by a name."""
