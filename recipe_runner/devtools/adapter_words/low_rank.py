"""Methods that add a product of small matrices to a weight."""

from recipe_runner.devtools.adapter_words.word import bias, counted, dropout, rank
from recipe_runner.devtools.worded import Method, Word

_ALPHA = Word("Count", "Scale of the update: it is multiplied by alpha / r.")
_MODULE_DROPOUT = Word(
    "Dropout", "Fraction of the adapted layers that a training step leaves without the adapter."
)
_BNB = {"layers": "PLAIN_AND_BNB"}
_PRODUCT = "sum(self.r * (o + i) for o, i in on.linear.values())"

METHODS = (
    Method(
        "loha",
        "LoHaConfig",
        "LoHa",
        """the update is the elementwise product of two low-rank products.

    Its rank can be as high as the square of `r` for twice the parameters of LoRA. Use it
    where LoRA at the same size is too weak; it is slower.""",
        "FedPara, arXiv 2108.06098",
        {
            **rank("Rank of each of the two products."),
            "alpha": _ALPHA,
            "rank_dropout": Word(
                "Dropout", "Fraction of the ranks that a training step leaves out."
            ),
            "module_dropout": _MODULE_DROPOUT,
            "alpha_pattern": Word(
                "dict[str, Positive]",
                "Other alphas for layers whose name matches a regular expression.",
            ),
        },
        {"use_effective_conv2d": "concerns convolutions"},
        returns=counted(
            "None if self.rank_pattern else sum(2 * self.r * (o + i) for o, i in on.linear.values())"
        ),
    ),
    Method(
        "lokr",
        "LoKrConfig",
        "LoKr",
        """the update is a Kronecker product of a small and a low-rank matrix.

    Very few parameters for an update of full rank. Use it where the adapter has to be tiny.""",
        "arXiv 2309.14859, section 3",
        {
            **rank("Rank of the larger factor."),
            "alpha": _ALPHA,
            "rank_dropout": Word(
                "Dropout", "Fraction of the ranks that a training step leaves out."
            ),
            "rank_dropout_scale": Word("bool", "Divide by the fraction of ranks that is left."),
            "module_dropout": _MODULE_DROPOUT,
            "decompose_both": Word("bool", "Give the smaller factor a low rank too."),
            "decompose_factor": Word(
                "Annotated[int, Field(ge=-1)]",
                "Size of the smaller factor; -1 takes the two factors as near to each other as they can be.",
            ),
            "init_weights": Word(
                'bool | Literal["lycoris"]',
                "Start without an effect on the model; `lycoris` starts as that library does.",
            ),
            "alpha_pattern": Word(
                "dict[str, Positive]",
                "Other alphas for layers whose name matches a regular expression.",
            ),
        },
        {"use_effective_conv2d": "concerns convolutions"},
    ),
    Method(
        "hira",
        "HiraConfig",
        "HiRA",
        """the weight is multiplied, element by element, by a low-rank product.

    The update has the rank of the weight itself for the parameters of LoRA. Use it for
    tasks where LoRA stops improving with more rank.""",
        "ICLR 2025, openreview TwJrTz9cRS",
        {
            **rank(),
            **dropout("hira_dropout"),
            "init_weights": Word(
                'bool | Literal["gaussian"]',
                "Start without an effect on the model; `gaussian` draws the first matrix from a normal distribution.",
            ),
        },
        returns=counted(f"None if self.rank_pattern else {_PRODUCT}"),
        traits=_BNB,
    ),
    Method(
        "delora",
        "DeloraConfig",
        "DeLoRA",
        """a low-rank update whose length is bounded and trained apart from its direction.

    It cannot run away from the base, so it is robust against high learning rates and long
    trainings.""",
        "arXiv 2503.18225",
        {
            **rank(),
            "delora_lambda": Word("Count", "Start of the bound on the length of the update."),
            "module_dropout": _MODULE_DROPOUT,
            "bias": bias("delora_only"),
            "lambda_pattern": Word(
                "dict[str, Positive]",
                "Other bounds for layers whose name matches a regular expression.",
            ),
        },
        returns=counted(
            "None if self.rank_pattern else sum(self.r * (o + i) + 1 for o, i in on.linear.values())"
        ),
    ),
    Method(
        "gralora",
        "GraloraConfig",
        "GraLoRA",
        """each weight is cut into blocks, and each block has a low-rank update of its own.

    The parameters of LoRA, with a higher rank over the whole weight; outliers in one
    input channel disturb one row of blocks only.""",
        "arXiv 2505.20355",
        {
            **rank("Rank over all blocks; `gralora_k` has to divide it."),
            "alpha": Word(
                "Count", "Scale of the update: it is multiplied by alpha / (r + hybrid_r)."
            ),
            "hybrid_r": Word("Natural", "Rank of a plain LoRA beside the blocks; 0 has none."),
            "gralora_k": Word("Count", "Blocks along each side of a weight."),
            **dropout("gralora_dropout"),
            "bias": bias("gralora_only"),
        },
        returns=counted("sum((self.r + self.hybrid_r) * (o + i) for o, i in on.linear.values())"),
        snippet="adapter: {type: gralora, r: 16, alpha: 32}",
    ),
    Method(
        "glora",
        "GloraConfig",
        "GLoRA",
        """weight, bias and features each get a correction of a chosen form.

    The most general of the additive methods; what is not needed can be turned off.""",
        "arXiv 2306.07967",
        {
            **rank("Rank of the corrections that are `lora`."),
            "bias": bias("glora_only"),
            "config_A_B": Word(
                'Literal["lora", "vector", "constant", "none"]',
                "Form of what multiplies the weight and of what is added to it.",
            ),
            "config_C": Word(
                'Literal["lora", "vector", "none"]', "Form of what the weight adds to the bias."
            ),
            "config_D_E": Word(
                'Literal["vector", "constant", "none"]',
                "Form of what multiplies the bias and of what is added to it.",
            ),
        },
    ),
    Method(
        "lily",
        "LilyConfig",
        "Lily",
        """neighbouring layers share one projection down, and all layers share several up.

    A router mixes the shared projections for each token, so what it learned cannot become
    part of the weights.""",
        "arXiv 2407.09946",
        {
            **rank(),
            "stride_A": Word("Count", "Neighbouring layers that share a projection down."),
            "num_B": Word("Count", "Projections up, which all layers share."),
            "scaling": Word("Positive", "Factor of the update."),
        },
        traits={"merges": "False", "reads_batch": "True"},
    ),
    Method(
        "peanut",
        "PeanutConfig",
        "PEANuT",
        """a small network computes the update from the weight itself.

    Non-linear, so an update of a few parameters can have any rank.""",
        "arXiv 2410.01870",
        {
            **rank("Width of the network."),
            "depth": Word("Natural", "Hidden layers on each side of the network."),
            "act_fn": Word("str", "Activation between its layers, by transformers' name."),
            "scaling": Word("Positive", "Factor of the update."),
        },
    ),
    Method(
        "deft",
        "DeftConfig",
        "DEFT",
        """takes a subspace out of the weight, and puts a trained low-rank part in its place.

    Made for models of images that learn one more concept; works on any linear layer.""",
        "PaRa, arXiv 2406.05641",
        {
            **rank("Rank of the subspace."),
            "decomposition_method": Word(
                'Literal["relu", "qr"]', "How the subspace is projected out: `qr` is orthogonal."
            ),
            "init_scale": Word("Positive", "Spread of the random start, as a factor."),
            "alpha": Word(
                "Count | None", "The part that is put in is multiplied by alpha / r; null is 1."
            ),
            "para": Word("bool", "Only take the subspace out (PaRa), and put nothing in."),
            **dropout("deft_dropout"),
            "bias": bias("deft_only"),
        },
        returns=counted("sum(self.r * (o if self.para else o + i) for o, i in on.linear.values())"),
    ),
    Method(
        "randlora",
        "RandLoraConfig",
        "RandLoRA",
        """full-rank updates from frozen random low-rank matrices, each scaled by trained vectors.

    The parameters of LoRA at a full rank; wants more memory for the frozen matrices.""",
        "arXiv 2502.00987",
        {
            **rank("Rank of each frozen matrix: fewer ranks train more parameters."),
            "sparse": Word("bool", "Draw the frozen matrices from -1, 0 and 1, a third each."),
            "very_sparse": Word("bool", "Draw mostly zeros into the frozen matrices."),
            **dropout("randlora_dropout"),
            "randlora_alpha": Word("Count", "Scale of the update; about 20 times the rank."),
            "bias": bias("randlora_only"),
        },
        traits=_BNB,
    ),
    Method(
        "miss",
        "MissConfig",
        "MiSS",
        """one trained matrix whose shards are repeated along the input.

    Starts without a second matrix, so it learns faster than LoRA at the same size and is
    as cheap. `bat` lets the shards depend on the weight. It was called Bone before.""",
        "arXiv 2409.15371",
        {
            **rank("Rows of the matrix; has to divide the layer's inputs for `bat`."),
            "mini_r": Word("Count", "Second rank, along the outputs, for `mini`."),
            **dropout("miss_dropout"),
            "init_weights": Word(
                'bool | Literal["bat", "mini"]',
                "Kind of the update: true is the balanced one, `bat` multiplies by the weight, `mini` is smaller.",
            ),
            "bias": bias("MiSS_only"),
        },
        returns=counted(
            'None if self.init_weights == "mini" else sum(self.r * o for o, _ in on.linear.values())'
        ),
        traits={"layers": "BACKED"},
    ),
    Method(
        "adamss",
        "AdamssConfig",
        "AdaMSS",
        """clusters the singular directions of a weight, and trains a small update in each cluster.

    Needs scikit-learn for the clusters.""",
        "",
        {
            **rank("Singular directions that are looked at."),
            "num_subspaces": Word("Count", "Clusters."),
            "subspace_rank": Word("Count", "Rank of the update in each cluster."),
            "init_weights": Word(
                'Literal["orthogonal"] | None', "Start of the matrices; null is random."
            ),
            "use_dynamic_rank": Word(
                "bool", "Let the singular values decide the rank of each cluster."
            ),
            "svd_threshold": Word(
                "Share",
                "With `use_dynamic_rank`: singular values below this share of the largest do not count.",
            ),
        },
        dict.fromkeys(
            (
                "use_asa",
                "asa_target_subspaces",
                "init_warmup",
                "final_warmup",
                "mask_interval",
                "asa_importance_beta",
                "asa_uncertainty_beta",
                "asa_schedule_exponent",
            ),
            "dropping clusters on the way wants a loop of its own",
        ),
        traits={
            "requires": '(Requirement("scikit-learn", "sklearn", "adapter: adamss"),)',
        },
    ),
)
