"""Quantizations that take whole weights and make them smaller while they are loaded."""

from recipe_runner.devtools.quantization_words.word import GPU, bits, needs
from recipe_runner.devtools.worded import Method, Word

_CONVERT = Word(
    "Strings | None", "The only modules that are quantized; null takes all linear layers."
)
_DEQUANTIZE = Word("bool", "Turn the weights of a checkpoint back into 16 bits instead.")

METHODS = (
    Method(
        "quanto",
        "QuantoConfig",
        "Quanto",
        """weights in 8, 4 or 2 bits, or 8-bit floats, in plain PyTorch.

    Runs on any device, a CPU too. It cannot be saved quantized, so it serves the training of
    an adapter only.""",
        "https://github.com/huggingface/optimum-quanto",
        {
            "weights": Word('Literal["float8", "int8", "int4", "int2"]', "Type of the weights."),
        },
        {"activations": "wants a calibration that transformers does not do"},
        {
            "quant_method": '"quanto"',
            "layer_kind": '"quanto"',
            "requires": needs("optimum-quanto", "quanto", "optimum"),
        },
        bits('{"float8": 8.0, "int8": 8.0, "int4": 4.5, "int2": 2.5}[self.weights]'),
        "quantization: {type: quanto, weights: int8}",
    ),
    Method(
        "hqq",
        "HqqConfig",
        "HQQ",
        """weights in 1 to 8 bits, with scales that are fitted without any data.

    Quick to quantize, and better than plain rounding at few bits.""",
        "https://mobiusml.github.io/hqq_blog/",
        {
            "nbits": Word("Literal[8, 4, 3, 2, 1]", "Bits of a weight."),
            "group_size": Word("Count", "Weights that share a scale."),
            "axis": Word("Literal[0, 1] | None", "Along which side weights are grouped."),
            "skip_modules": Word("Strings", "Modules left as they are."),
        },
        {
            "view_as_float": "only changes how the bits are stored",
            "dynamic_config": "options of single layers by name",
        },
        {"quant_method": '"hqq"', "layer_kind": '"hqq"', "requires": needs("hqq", "hqq"), **GPU},
        bits("self.nbits + 32 / self.group_size"),
    ),
    Method(
        "eetq",
        "EetqConfig",
        "EETQ",
        """weights in 8 bits per channel, with fast kernels.

    Nearly as fast as 16 bits, and half the memory.""",
        "https://github.com/NetEase-FuXi/EETQ",
        {"weights": Word('Literal["int8"]', "Type of the weights.")},
        {},
        {
            "quant_method": '"eetq"',
            "layer_kind": '"eetq"',
            "requires": needs("kernels", "eetq"),
            **GPU,
        },
        bits("8.0"),
    ),
    Method(
        "fp8",
        "FineGrainedFP8Config",
        "Fine-grained FP8",
        """weights in 8-bit floats with a scale per block, as DeepSeek-V3 is published.

    Multiplies in 8 bits on GPUs of compute capability 8.9 and above.""",
        "arXiv 2412.19437",
        {
            "activation_scheme": Word(
                'Literal["dynamic", "static"]', "When activations get their scale."
            ),
            "weight_block_size": Word(
                "Annotated[tuple[Count, Count], Field(strict=False)]",
                "Height and width of a block of weights.",
            ),
            "dequantize": _DEQUANTIZE,
            "modules_to_convert": _CONVERT,
            "scale_fmt": Word('Literal["float", "ue8m0"]', "Type of the scales."),
        },
        {"expert_dtype": "follows from the checkpoint"},
        {"quant_method": '"fp8"', **GPU},
        bits("8 + 32 / (self.weight_block_size[0] * self.weight_block_size[1])"),
    ),
    Method(
        "fbgemm_fp8",
        "FbgemmFp8Config",
        "FBGEMM FP8",
        """weights in 8-bit floats with a scale per row, as Llama 3.1 405B is published.""",
        "https://github.com/pytorch/FBGEMM",
        {"activation_scale_ub": Word("Positive", "Upper bound of the scale of activations.")},
        {},
        {
            "quant_method": '"fbgemm_fp8"',
            "requires": needs("fbgemm-gpu", "fbgemm_fp8"),
            "adapter_trains": "False",
            **GPU,
        },
        bits("8.0"),
    ),
    Method(
        "mxfp4",
        "Mxfp4Config",
        "MXFP4",
        """expert weights in 4-bit floats with a scale for 32 of them, as GPT-OSS is published.

    To train an adapter on it, turn the weights back: `dequantize: true`, which takes four
    times the memory and runs anywhere.""",
        "OCP Microscaling Formats 1.0",
        {"dequantize": _DEQUANTIZE},
        {},
        {"quant_method": '"mxfp4"', "adapter_trains": "False"},
        bits("16.0 if self.dequantize else 4.25"),
    ),
    Method(
        "nvfp4",
        "NVFP4Config",
        "NVFP4",
        """weights in 4-bit floats with a scale for 16 of them, for NVIDIA's Blackwell GPUs.""",
        "arXiv 2509.25149",
        {},
        {},
        {
            "quant_method": '"nvfp4"',
            "requires": needs("kernels", "nvfp4"),
            "adapter_trains": "False",
            **GPU,
        },
        bits("4.5"),
    ),
    Method(
        "fp_quant",
        "FPQuantConfig",
        "FP-Quant",
        """4-bit floats after a Hadamard transform, for training and inference on Blackwell GPUs.""",
        "arXiv 2509.23202",
        {
            "forward_dtype": Word('Literal["nvfp4", "mxfp4"]', "Type of weights and activations."),
            "forward_method": Word('Literal["abs_max", "quest"]', "How the scales are chosen."),
            "hadamard_group_size": Word(
                "Count | None", "Size of the transform; null is that of the type."
            ),
            "pseudoquantization": Word("bool", "Compute as if in 4 bits, on any GPU."),
            "transform_init": Word('Literal["hadamard", "identity", "gsr"]', "The transform."),
        },
        {
            "backward_dtype": "upstream knows bf16 only",
            "store_master_weights": "is for training the weights themselves",
        },
        {
            "quant_method": '"fp_quant"',
            "requires": needs("fp-quant", "fp_quant"),
            "adapter_trains": "False",
            **GPU,
        },
        bits('4.5 if self.forward_dtype == "nvfp4" else 4.25'),
    ),
    Method(
        "fouroversix",
        "FourOverSixConfig",
        "Four over Six",
        """NVFP4 whose blocks are scaled to 4 or to 6, whichever fits better.""",
        "arXiv 2512.02010",
        {
            "dtype": Word('Literal["nvfp4", "mxfp4"]', "Type of the weights."),
            "scale_rule": Word(
                'Literal["mse", "mae", "abs_max", "static_6", "static_4"]', "What fits better."
            ),
            "weight_scale_2d": Word("bool", "Blocks of 16 by 16 weights instead of 16 in a row."),
            "modules_to_not_convert": Word("Strings", "Modules left as they are."),
        },
        {
            **dict.fromkeys(
                (
                    "activation_dtype",
                    "activation_scale_rule",
                    "gradient_dtype",
                    "gradient_scale_rule",
                    "weight_dtype",
                    "weight_scale_rule",
                ),
                "follows `dtype` and `scale_rule`",
            ),
            "keep_master_weights": "is for training the weights themselves",
            "matmul_backend": "the package finds it out",
            "quantize_backend": "the package finds it out",
            "output_dtype": "is that of the model",
            "module_config_overrides": "options of single layers by name",
        },
        {
            "quant_method": '"fouroversix"',
            "requires": needs("fouroversix", "fouroversix"),
            "adapter_trains": "False",
            **GPU,
        },
        bits("4.5"),
    ),
    Method(
        "higgs",
        "HiggsConfig",
        "HIGGS",
        """weights in 2 to 4 bits by grids that fit a normal distribution, after a Hadamard transform.""",
        "arXiv 2411.17525",
        {
            "bits": Word("Literal[2, 3, 4]", "Bits of a weight."),
            "p": Word("Literal[1, 2]", "Weights that are looked up together."),
            "hadamard_size": Word("Count", "Size of the transform."),
            "group_size": Word("Literal[64, 128, 256]", "Weights that share a scale."),
        },
        {"tune_metadata": "upstream fills it in"},
        {
            "quant_method": '"higgs"',
            "requires": needs("flute-kernel", "higgs", "flute"),
            "adapter_trains": "False",
            **GPU,
        },
    ),
    Method(
        "sinq",
        "SinqConfig",
        "SINQ",
        """weights in 2 to 8 bits with scales for rows and columns, fitted without data.""",
        "arXiv 2509.22944",
        {
            "nbits": Word("Literal[2, 3, 4, 5, 6, 8]", "Bits of a weight."),
            "group_size": Word("Count", "Weights that share a scale."),
            "tiling_mode": Word(
                'Literal["1D", "2D"]', "Whether scales are for rows, or for tiles."
            ),
            "method": Word('Literal["sinq", "asinq"]', "`asinq` looks at activations as well."),
        },
        {},
        {"quant_method": '"sinq"', "requires": needs("sinq", "sinq"), **GPU},
        bits("self.nbits + 32 / self.group_size"),
    ),
)
