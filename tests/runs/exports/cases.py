"""The decoders that llama.cpp is compared with.

There is a case for each architecture, and for each setting that a GGUF file says in its own way.
"""

from __future__ import annotations

import pytest

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 128,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0}
SCALED = {
    "attention_multiplier": 0.1,
    "embedding_multiplier": 3.0,
    "residual_multiplier": 0.5,
    "logits_scaling": 2.0,
}

CASES = [
    pytest.param("granite", SCALED, id="granite"),
    pytest.param("llama", {}, id="llama"),
    pytest.param("llama", {"head_dim": 32}, id="llama-wide-heads"),
    pytest.param("llama", {"attention_bias": True, "mlp_bias": True}, id="llama-biases"),
    pytest.param("llama", {"rope_parameters": LLAMA3_ROPE}, id="llama3-positions"),
    pytest.param("llama", {"rope_parameters": LINEAR}, id="llama-linear-positions"),
    pytest.param("llama", {"tie_word_embeddings": True}, id="llama-tied"),
    pytest.param("llama", {"rows": 512}, id="llama-spare-rows"),
    pytest.param("mistral", {"sliding_window": None, "head_dim": 16}, id="mistral"),
    pytest.param("olmo2", {}, id="olmo2"),
    pytest.param("qwen2", {}, id="qwen2"),
    pytest.param("qwen3", {"head_dim": 32}, id="qwen3"),
    pytest.param("qwen3", {"head_dim": 16, "rope_parameters": YARN}, id="qwen3-yarn"),
    pytest.param("smollm3", {}, id="smollm3"),
]
"""A `model_type`, and what is other than in the tiny model of `models.decoder`."""
