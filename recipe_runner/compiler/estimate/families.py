"""Models by the `model_type` of their configuration: an entry for each that is known.

Names and shapes are those of transformers; `tests/runs/estimate` compares them with the
real models.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recipe_runner.compiler.estimate import blocks
from recipe_runner.compiler.estimate.architecture import Architecture, Module, linear
from recipe_runner.compiler.estimate.values import Values
from recipe_runner.plan import Task


@dataclass(frozen=True)
class Family:
    """How a `model_type` is built. `defaults` are those of its configuration class.

    `layer` gives the modules of the decoder layer of an index, `ends` what stands before and
    after the layers. `base` is the name of the model below its head. `activation` is what the
    configuration calls the function of its feed-forward layers, `dropout` what it calls the
    share that is dropped behind attention and feed-forward layers, and `offset_norms` is as in
    `Architecture`.
    """

    layer: Callable[[Values, int], Iterator[Module]]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    ends: Callable[[Values], Iterator[Module]] = blocks.plain_ends
    base: str = "model"
    layers: str = "layers"
    embeddings: str = "embed_tokens"
    token_classifier: str = "score"
    activation: str = "hidden_act"
    dropout: str = ""
    offset_norms: bool = False


_TIED = {"tie_word_embeddings": True}
_GEMMA = {"head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "num_key_value_heads": 4}

FAMILIES: Mapping[str, Family] = {
    "gemma": Family(
        blocks.mistral,
        _TIED | {"head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "num_key_value_heads": 16},
        offset_norms=True,
    ),
    "gemma2": Family(
        blocks.gemma2,
        _TIED | _GEMMA,
        activation="hidden_activation",
        offset_norms=True,
    ),
    "gemma3_text": Family(
        blocks.gemma3,
        _TIED | _GEMMA,
        activation="hidden_activation",
        offset_norms=True,
    ),
    "gpt2": Family(
        blocks.gpt2,
        _TIED
        | {
            "activation_function": "gelu_new",
            "max_position_embeddings": 1024,
            "resid_pdrop": 0.1,
        },
        blocks.gpt2_ends,
        base="transformer",
        layers="h",
        embeddings="wte",
        token_classifier="classifier",
        activation="activation_function",
        dropout="resid_pdrop",
    ),
    "gpt_neox": Family(
        blocks.gpt_neox,
        {"attention_bias": True, "hidden_act": "gelu", "use_parallel_residual": True},
        blocks.gpt_neox_ends,
        base="gpt_neox",
        embeddings="embed_in",
        token_classifier="classifier",
    ),
    "llama": Family(blocks.llama),
    "mistral": Family(blocks.mistral, {"num_key_value_heads": 8}),
    "mixtral": Family(
        blocks.mixtral, {"num_experts_per_tok": 2, "num_key_value_heads": 8, "num_local_experts": 8}
    ),
    "opt": Family(
        blocks.opt,
        _TIED
        | {
            "activation_function": "relu",
            "do_layer_norm_before": True,
            "dropout": 0.1,
            "enable_bias": True,
            "layer_norm_elementwise_affine": True,
            "max_position_embeddings": 2048,
        },
        blocks.opt_ends,
        base="model.decoder",
        activation="activation_function",
        dropout="dropout",
    ),
    "phi3": Family(blocks.phi3),
    "qwen2": Family(blocks.qwen2, {"num_key_value_heads": 32}),
    "qwen3": Family(blocks.qwen3, {"head_dim": 128, "num_key_value_heads": 32}),
    "qwen3_moe": Family(
        blocks.qwen3_moe,
        {
            "decoder_sparse_step": 1,
            "moe_intermediate_size": 768,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "num_key_value_heads": 4,
        },
    ),
    "smollm3": Family(blocks.llama, _TIED | {"num_key_value_heads": 4}),
}


def modules_of(
    config: Mapping[str, Any],
    *,
    task: Task = "causal_lm",
    num_labels: int | None = None,
    rows: int | None = None,
) -> Architecture | None:
    """The modules of the model that `config`, the contents of a `config.json`, describes.

    `rows` are those of the embeddings, None for what the configuration says. None where the
    family is not known, or where the configuration leaves out a dimension.
    """
    family = FAMILIES.get(str(config.get("model_type")))
    if family is None or task == "image_text_to_text":
        return None
    values = Values(config if rows is None else {**config, "vocab_size": rows}, family.defaults)
    try:
        return _built(family, values, task, num_labels)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None  # a configuration that is not whole is told about when it is loaded


def _built(family: Family, values: Values, task: Task, num_labels: int | None) -> Architecture:
    modules = [replace(m, name=f"{family.base}.{m.name}") for m in family.ends(values)]
    depth = values.number("num_hidden_layers")
    for index in range(depth):
        start = f"{family.base}.{family.layers}.{index}"
        modules += [replace(m, name=f"{start}.{m.name}") for m in family.layer(values, index)]
    table = f"{family.base}.{family.embeddings}"
    width = next(module.outputs for module in modules if module.name == table)
    head, classifier, tied = None, None, {}
    if task == "causal_lm":
        head = "lm_head"
        modules.append(linear(head, values.rows, width))
        if values.flag("tie_word_embeddings"):
            tied = {f"{head}.weight": f"{table}.weight"}
    else:
        tokens = task == "token_classification"
        classifier = family.token_classifier if tokens else "score"
        # Two is what transformers takes where nothing is said.
        modules.append(linear(classifier, num_labels or 2, width, bias=tokens))
    return Architecture(
        family=str(values["model_type"]),
        modules=tuple(modules),
        embeddings=table,
        hidden_size=values.hidden,
        num_layers=depth,
        key_value_size=values.key_value_heads * values.head_dim,
        head=head,
        classifier=classifier,
        tied=tied,
        layers=f"{family.base}.{family.layers}",
        heads=values.heads,
        activation=str(values[family.activation] or "silu"),
        offset_norms=family.offset_norms,
        parallel=values.flag("use_parallel_residual"),
        drops=bool(family.dropout) and values.flag(family.dropout),
        experts_per_token=int(values["num_experts_per_tok"] or 0),
    )
