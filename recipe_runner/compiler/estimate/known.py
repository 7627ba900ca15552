"""Dimensions of common models by their hub id, so that a plan knows them without a download.

Source: the `config.json` of each repository, as its maker published it. A model that was tuned by
its maker has the dimensions of the one that it was tuned from.
"""

from collections.abc import Mapping
from typing import Any

_TUNED = ("-instruct", "-base", "-chat", "-it")
"""Ends of the names of models that differ from each other in their weights only."""


def _model(
    family: str,
    vocabulary: int,
    hidden: int,
    inner: int,
    layers: int,
    heads: int,
    shared: int,
    *,
    tied: bool = False,
    **more: Any,
) -> Mapping[str, Any]:
    return {
        "model_type": family,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "tie_word_embeddings": tied,
        **more,
    }


_KNOWN: Mapping[str, Mapping[str, Any]] = {
    "meta-llama/llama-3.2-1b": _model(
        "llama", 128256, 2048, 8192, 16, 32, 8, tied=True, head_dim=64
    ),
    "meta-llama/llama-3.2-3b": _model(
        "llama", 128256, 3072, 8192, 28, 24, 8, tied=True, head_dim=128
    ),
    "meta-llama/llama-3.1-8b": _model("llama", 128256, 4096, 14336, 32, 32, 8),
    "meta-llama/meta-llama-3-8b": _model("llama", 128256, 4096, 14336, 32, 32, 8),
    "meta-llama/llama-3.1-70b": _model("llama", 128256, 8192, 28672, 80, 64, 8),
    "meta-llama/llama-3.3-70b": _model("llama", 128256, 8192, 28672, 80, 64, 8),
    "qwen/qwen2.5-0.5b": _model("qwen2", 151936, 896, 4864, 24, 14, 2, tied=True),
    "qwen/qwen2.5-1.5b": _model("qwen2", 151936, 1536, 8960, 28, 12, 2, tied=True),
    "qwen/qwen2.5-3b": _model("qwen2", 151936, 2048, 11008, 36, 16, 2, tied=True),
    "qwen/qwen2.5-7b": _model("qwen2", 152064, 3584, 18944, 28, 28, 4),
    "qwen/qwen2.5-14b": _model("qwen2", 152064, 5120, 13824, 48, 40, 8),
    "qwen/qwen2.5-32b": _model("qwen2", 152064, 5120, 27648, 64, 40, 8),
    "qwen/qwen2.5-72b": _model("qwen2", 152064, 8192, 29568, 80, 64, 8),
    "qwen/qwen3-0.6b": _model("qwen3", 151936, 1024, 3072, 28, 16, 8, tied=True, head_dim=128),
    "qwen/qwen3-1.7b": _model("qwen3", 151936, 2048, 6144, 28, 16, 8, tied=True, head_dim=128),
    "qwen/qwen3-4b": _model("qwen3", 151936, 2560, 9728, 36, 32, 8, tied=True, head_dim=128),
    "qwen/qwen3-8b": _model("qwen3", 151936, 4096, 12288, 36, 32, 8, head_dim=128),
    "qwen/qwen3-14b": _model("qwen3", 151936, 5120, 17408, 40, 40, 8, head_dim=128),
    "qwen/qwen3-32b": _model("qwen3", 151936, 5120, 25600, 64, 64, 8, head_dim=128),
    "mistralai/mistral-7b-v0.1": _model("mistral", 32000, 4096, 14336, 32, 32, 8),
    "mistralai/mistral-7b-v0.3": _model("mistral", 32768, 4096, 14336, 32, 32, 8),
    "huggingfacetb/smollm2-135m": _model("llama", 49152, 576, 1536, 30, 9, 3, tied=True),
    "huggingfacetb/smollm2-360m": _model("llama", 49152, 960, 2560, 32, 15, 5, tied=True),
    "huggingfacetb/smollm2-1.7b": _model("llama", 49152, 2048, 8192, 24, 32, 32, tied=True),
    "tinyllama/tinyllama-1.1b-chat-v1.0": _model("llama", 32000, 2048, 5632, 22, 32, 4),
}


def known_config(hub_id: str) -> Mapping[str, Any]:
    """The dimensions of a model as its configuration has them; empty where it is not known."""
    name = hub_id.lower()
    for end in _TUNED:
        if name not in _KNOWN:
            name = name.removesuffix(end)
    return _KNOWN.get(name, {})
