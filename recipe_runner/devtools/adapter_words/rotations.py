"""Methods that multiply a weight by a trained rotation, or train within its singular directions."""

from recipe_runner.devtools.adapter_words.word import bias, counted, dropout, rank
from recipe_runner.devtools.worded import Method, Word

_CAYLEY = {
    "use_cayley_neumann": Word(
        "bool",
        "Compute the rotation from a series instead of an inverse: faster, and nearly orthogonal.",
    ),
    "num_cayley_neumann_terms": Word("Count", "Terms of that series."),
}

METHODS = (
    Method(
        "oft",
        "OFTConfig",
        "OFT",
        """the inputs of a layer are rotated, block by block.

    Angles between neurons stay, and with them more of what the base knows than with an
    additive update.""",
        "arXiv 2306.07280, 2506.19847",
        {
            "r": Word(
                "Natural",
                "Blocks of each layer; 0 where `oft_block_size` is given, which decides it.",
            ),
            "oft_block_size": Word("Natural", "Size of a block; 0 where `r` is given."),
            "module_dropout": Word(
                "Dropout", "Fraction of the blocks that a training step does not rotate."
            ),
            "bias": bias("oft_only"),
            "coft": Word("bool", "Keep the rotation near to none, within `eps`."),
            "eps": Word("Positive", "How far a rotation of `coft` may go."),
            "block_share": Word("bool", "One rotation for all blocks of a layer."),
            **_CAYLEY,
        },
        returns=counted(
            "None if self.block_share or self.r or any(i % self.oft_block_size for _, i in on.linear.values()) "
            "else sum(i * (self.oft_block_size - 1) // 2 for _, i in on.linear.values())"
        ),
        traits={"layers": "BACKED"},
    ),
    Method(
        "boft",
        "BOFTConfig",
        "BOFT",
        """OFT whose rotation is a product of sparse ones, like the butterflies of a Fourier transform.

    Denser rotations for fewer parameters than OFT's.""",
        "arXiv 2311.06243",
        {
            "boft_block_size": Word(
                "Natural",
                "Size of a block; has to divide the layer's inputs. 0 where `boft_block_num` is given.",
            ),
            "boft_block_num": Word(
                "Natural", "Blocks of each layer; 0 where `boft_block_size` is given."
            ),
            "boft_n_butterfly_factor": Word("Count", "Factors of the product; 1 is OFT."),
            "boft_dropout": Word(
                "Dropout", "Fraction of the blocks that a training step does not rotate."
            ),
            "bias": bias("boft_only"),
        },
        traits={"layers": "BACKED"},
    ),
    Method(
        "hra",
        "HRAConfig",
        "HRA",
        """the inputs of a layer are mirrored at trained planes, one after the other.

    Between LoRA and OFT: orthogonal, and of low rank.""",
        "arXiv 2405.17484",
        {
            **rank("Mirrors of each layer; even, so that it starts without an effect."),
            "apply_GS": Word("bool", "Make the planes orthogonal to each other."),
            "bias": bias("hra_only"),
        },
        returns=counted("sum(self.r * i for _, i in on.linear.values())"),
    ),
    Method(
        "psoft",
        "PsoftConfig",
        "PSOFT",
        """a rotation within the largest singular directions of a weight.

    Fewer parameters than OFT, and as cheap as LoRA.""",
        "arXiv 2505.11235",
        {
            **rank("Singular directions that are rotated."),
            "psoft_alpha": Word(
                "Count", "Scale of the update: it is multiplied by psoft_alpha / r."
            ),
            **dropout("psoft_dropout"),
            "ab_svd_init": Word(
                'Literal["psoft_init", "pissa_init"]',
                "How the directions are split between the two frozen matrices.",
            ),
            "psoft_svd": Word(
                'Literal["full", "lowrank"]',
                "Exact singular values, or approximate ones, which are faster.",
            ),
            "psoft_svd_lowrank_niter": Word("Natural", "Iterations of the approximate ones."),
            "psoft_orth": Word("bool", "Rotate; false trains any matrix between the directions."),
            "psoft_mag_a": Word("bool", "Scale the directions before the rotation."),
            "psoft_mag_b": Word("bool", "Scale the directions after the rotation."),
            **_CAYLEY,
            "cayley_neumann_eps": Word(
                "Positive | None", "How far a rotation from the series may go; null is any."
            ),
        },
        returns=counted(
            "len(on.linear) * ((self.r * (self.r - 1) // 2 if self.psoft_orth else self.r**2) "
            "+ self.r * (self.psoft_mag_a + self.psoft_mag_b))"
        ),
    ),
    Method(
        "osf",
        "OSFConfig",
        "OSF",
        """trains the small singular directions of a weight, orthogonal to the large ones.

    Made for learning one task after the other without forgetting the first. It trains much
    more than LoRA.""",
        "arXiv 2504.07097",
        {
            "effective_rank": Word(
                "Count | Annotated[float, Field(gt=0, lt=1)] | None",
                "Large directions that stay: their number, or their share; null is half.",
            ),
            "rank_pattern": Word(
                "dict[str, Count | Annotated[float, Field(gt=0, lt=1)]] | None",
                "Other values for layers whose name matches a regular expression.",
            ),
        },
        {"target_svd_config": "PEFT does not read it"},
        traits={"learning_rate_factor": "0.5"},
    ),
    Method(
        "frod",
        "FrodConfig",
        "FRoD",
        """all layers share rotated directions; each trains how far they reach, and few turns between them.

    A full-rank update; preparing the shared directions takes a while on large models.""",
        "",
        {
            **dropout("frod_dropout"),
            "bias": bias("frod_only"),
            "sparse_rate": Word("Share", "Share of the turns between directions that train."),
            "regularization_alpha": Word(
                "Positive", "Steadies the inverses while the directions are prepared."
            ),
            "runtime_offload_base_weight": Word(
                "bool", "Keep the base's weights on the CPU where they are not needed."
            ),
        },
        {"progressbar": "the run has its own"},
    ),
    Method(
        "c3a",
        "C3AConfig",
        "C3A",
        """the update is made of circulant blocks, applied through the Fourier transform.

    A high rank for few parameters.""",
        "arXiv 2407.19342",
        {
            "block_size": Word(
                "Count", "Size of a block; has to divide inputs and outputs of the layers."
            ),
            "block_size_pattern": Word(
                "dict[str, Count]",
                "Other sizes for layers whose name matches a regular expression.",
            ),
            "bias": bias("c3a_only"),
            "init_weights": Word(
                'bool | Literal["gaussian", "kaiming_uniform", "xavier_uniform"] | None',
                "Start of the blocks; true is zeros.",
            ),
        },
        returns=counted(
            "None if self.block_size_pattern else sum(o * i // self.block_size for o, i in on.linear.values())"
        ),
    ),
)
