"""Quantizations that are in the checkpoint: they were made with data, and are only loaded here."""

from recipe_runner.devtools.quantization_words.word import GPU, bits, needs
from recipe_runner.devtools.worded import Method, Word

_MADE = "was decided when the checkpoint was made"
_FINISHED = {"prequantized_only": "True"}
_BY_GROUP = bits("self.bits + 20 / (self.group_size if self.group_size > 0 else 4096)")
_GROUP = Word("Annotated[int, Field(ge=-1)]", "Weights that share a scale; -1 is a whole row.")

METHODS = (
    Method(
        "gptq",
        "GPTQConfig",
        "GPTQ",
        """weights in 2 to 8 bits, rounded one after the other so that errors cancel on sample data.

    The most frequent quantized checkpoints. An adapter trains on them.""",
        "arXiv 2210.17323",
        {
            "bits": Word(
                "Literal[2, 3, 4, 8]", "Bits of a weight; those of the checkpoint count.", 4
            ),
            "group_size": _GROUP,
            "backend": Word(
                "str | None", "Kernel, by gptqmodel's name; null is the fastest that there is."
            ),
        },
        dict.fromkeys(
            (
                "tokenizer",
                "dataset",
                "damp_percent",
                "desc_act",
                "act_group_aware",
                "sym",
                "true_sequential",
                "format",
                "meta",
                "model_seqlen",
                "block_name_to_quantize",
                "module_name_preceding_first_block",
                "batch_size",
                "pad_token_id",
                "max_input_length",
                "cache_block_outputs",
                "modules_in_block_to_quantize",
            ),
            _MADE,
        ),
        {
            "quant_method": '"gptq"',
            "layer_kind": '"gptq"',
            "requires": needs("gptqmodel", "gptq"),
            "dequantizes": "False",
            **_FINISHED,
        },
        _BY_GROUP,
    ),
    Method(
        "awq",
        "AwqConfig",
        "AWQ",
        """weights in 4 bits, with those that matter for the activations kept larger.""",
        "arXiv 2306.00978",
        {
            "bits": Word("Literal[4, 8]", "Bits of a weight; those of the checkpoint count."),
            "group_size": _GROUP,
            "backend": Word("str", "Kernel, by gptqmodel's name."),
        },
        {"zero_point": _MADE},
        {
            "quant_method": '"awq"',
            "layer_kind": '"awq"',
            "requires": needs("gptqmodel", "awq"),
            "dequantizes": "False",
            **_FINISHED,
        },
        _BY_GROUP,
    ),
    Method(
        "auto_round",
        "AutoRoundConfig",
        "AutoRound",
        """weights in 2 to 8 bits whose rounding was learned by signed gradients.""",
        "arXiv 2309.05516",
        {
            "bits": Word("Literal[2, 3, 4, 8]", "Bits of a weight; those of the checkpoint count."),
            "group_size": _GROUP,
            "backend": Word("str", "Kernel, by auto-round's name."),
        },
        {"sym": _MADE},
        {
            "quant_method": '"auto-round"',
            "requires": needs("auto-round", "auto_round"),
            "dequantizes": "False",
            **_FINISHED,
        },
        _BY_GROUP,
    ),
    Method(
        "aqlm",
        "AqlmConfig",
        "AQLM",
        """groups of weights as sums of entries of learned codebooks: about 2 bits a weight.""",
        "arXiv 2401.06118",
        {
            "in_group_size": Word("Count", "Inputs of a group."),
            "out_group_size": Word("Count", "Outputs of a group."),
            "num_codebooks": Word("Count", "Codebooks that are summed."),
            "nbits_per_codebook": Word("Count", "Bits of an entry's number."),
            "linear_weights_not_to_quantize": Word("Strings | None", "Weights left as they are."),
        },
        {},
        {
            "quant_method": '"aqlm"',
            "layer_kind": '"aqlm"',
            "requires": needs("aqlm", "aqlm"),
            "dequantizes": "False",
            **_FINISHED,
        },
        bits(
            "self.num_codebooks * self.nbits_per_codebook / (self.in_group_size * self.out_group_size)"
        ),
    ),
    Method(
        "vptq",
        "VptqConfig",
        "VPTQ",
        """vectors of weights as entries of codebooks, fitted by second-order information.""",
        "arXiv 2409.17066",
        {},
        {
            "enable_proxy_error": _MADE,
            "config_for_layers": _MADE,
            "shared_layer_config": _MADE,
        },
        {
            "quant_method": '"vptq"',
            "requires": needs("vptq", "vptq"),
            "adapter_trains": "False",
            "dequantizes": "False",
            **_FINISHED,
            **GPU,
        },
        bits("2.5"),
    ),
    Method(
        "spqr",
        "SpQRConfig",
        "SpQR",
        """weights in 3 bits, and the few that are hard to round in full.""",
        "arXiv 2306.03078",
        {
            "bits": Word("Literal[3]", "Bits of a weight."),
            "beta1": Word("Literal[16]", "Height of a block."),
            "beta2": Word("Literal[16]", "Width of a block."),
        },
        {"shapes": _MADE},
        {
            "quant_method": '"spqr"',
            "requires": needs("spqr-quant", "spqr"),
            "adapter_trains": "False",
            "dequantizes": "False",
            **_FINISHED,
            **GPU,
        },
    ),
    Method(
        "bitnet",
        "BitNetQuantConfig",
        "BitNet",
        """weights of -1, 0 and 1: models that were trained that way.""",
        "arXiv 2402.17764",
        {
            "linear_class": Word(
                'Literal["bitlinear", "autobitlinear"]', "Layer: `autobitlinear` can be trained."
            ),
            "quantization_mode": Word(
                'Literal["online", "offline"]', "Round while it computes, or have rounded before."
            ),
            "use_rms_norm": Word("bool", "Norm before each layer."),
            "rms_norm_eps": Word("Positive", "Summand of that norm."),
        },
        {},
        {"quant_method": '"bitnet"', "adapter_trains": "False", **_FINISHED},
        bits("2.0"),
    ),
    Method(
        "compressed_tensors",
        "CompressedTensorsConfig",
        "compressed-tensors",
        """what llm-compressor and many publishers write: 4 to 8 bits in several schemes.

    The weights are turned back into 16 bits when they are loaded with `dequantize`.""",
        "https://github.com/vllm-project/compressed-tensors",
        {
            "run_compressed": Word(
                "bool | None", "Keep the weights small; null is upstream's choice."
            ),
            "dequantize": Word("bool", "Turn the weights back into 16 bits."),
        },
        dict.fromkeys(
            (
                "config_groups",
                "format",
                "quantization_status",
                "kv_cache_scheme",
                "global_compression_ratio",
                "ignore",
                "quant_method",
                "use_optimized_inference",
            ),
            _MADE,
        ),
        {
            "quant_method": '"compressed-tensors"',
            "requires": needs("compressed-tensors", "compressed_tensors"),
            **_FINISHED,
        },
        bits("16.0 if self.dequantize else 8.0"),
    ),
    Method(
        "quark",
        "QuarkConfig",
        "Quark",
        """what AMD's tool writes: 4 to 8 bits in several schemes.""",
        "https://quark.docs.amd.com",
        {},
        {},
        {
            "quant_method": '"quark"',
            "requires": needs("amd-quark", "quark", "quark"),
            "adapter_trains": "False",
            "dequantizes": "False",
            **_FINISHED,
        },
        bits("8.0"),
    ),
    Method(
        "gemma",
        "GemmaQuantizationConfig",
        "Gemma's quantization",
        """weights in 4 bits as Gemma 4 was trained for.""",
        "",
        {
            "num_bits": Word(
                "Literal[2, 4, 8]", "Bits of a weight; those of the checkpoint count."
            ),
            "quantize_embeddings": Word("bool", "Embeddings in few bits too."),
        },
        {"module_quant_configs": _MADE},
        {"quant_method": '"gemma"', "adapter_trains": "False", **_FINISHED},
        bits("float(self.num_bits)"),
    ),
)
