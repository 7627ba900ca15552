"""Methods that train vectors or coefficients beside frozen matrices, or rescale activations."""

from recipe_runner.devtools.adapter_words.word import bias, counted, dropout, rank
from recipe_runner.devtools.worded import KEEP, Method, Word

_OWN_TARGETS = "Layers to adapt, as name endings or one regular expression; null is PEFT's choice for the architecture."

METHODS = (
    Method(
        "ia3",
        "IA3Config",
        "(IA)3",
        """keys, values and the inside of the feed-forward layers are multiplied by trained vectors.

    The fewest parameters of the methods that can be merged. Use it with few examples and a
    learning rate of about 3e-3.""",
        "arXiv 2205.05638",
        {
            "target_modules": Word("str | Strings | None", _OWN_TARGETS, KEEP),
            "feedforward_modules": Word(
                "str | Strings | None",
                "Those of the layers whose input is multiplied instead of the output; null is PEFT's choice.",
            ),
            "init_ia3_weights": Word("bool", "Start with ones, which change nothing."),
        },
        returns=counted("sum(i if name in on.inward else o for name, (o, i) in on.linear.items())"),
        traits={"layers": "PLAIN_AND_BNB", "learning_rate_factor": "15"},
    ),
    Method(
        "vera",
        "VeraConfig",
        "VeRA",
        """all layers share two frozen random matrices, and each trains two vectors that scale them.

    A tenth of LoRA's parameters and less. Use it for many adapters beside one base, with a
    learning rate some ten times that of LoRA.""",
        "arXiv 2310.11454",
        {
            **rank("Inner size of the shared matrices."),
            **dropout("vera_dropout"),
            "bias": bias("vera_only"),
        },
        returns=counted("sum(self.r + o for o, _ in on.linear.values())"),
        traits={"layers": "BACKED", "learning_rate_factor": "10"},
    ),
    Method(
        "pvera",
        "PveraConfig",
        "PVeRA",
        """VeRA whose inner vector is drawn from a trained normal distribution for each token.

    Its spread says how sure the adapter is.""",
        "arXiv 2512.07703",
        {
            **rank("Inner size of the shared matrices."),
            **dropout("pvera_dropout"),
            "bias": bias("pvera_only"),
            "sample_at_inference": Word(
                "bool", "Draw when it answers too, instead of taking the mean."
            ),
            "generator_seed": Word("Natural | None", "Seed of what is drawn; null is the run's."),
        },
        returns=counted("sum(2 * self.r + o for o, _ in on.linear.values())"),
        traits={"draws": "True", "layers": "PLAIN_AND_BNB", "learning_rate_factor": "10"},
    ),
    Method(
        "fourierft",
        "FourierFTConfig",
        "FourierFT",
        """a few trained coefficients of the update's Fourier transform.

    Some thousands of parameters for a whole model.""",
        "arXiv 2405.03003",
        {
            "n_frequency": Word("Count", "Trained coefficients of each layer."),
            "scaling": Word("Positive", "Factor of the update; 100 to 150 for language models."),
            "random_loc_seed": Word("Natural", "Seed of which coefficients are trained."),
            "bias": bias("fourier_only"),
            "n_frequency_pattern": Word(
                "dict[str, Count]",
                "Other numbers of coefficients for layers whose name matches a regular expression.",
            ),
            "init_weights": Word(
                "bool",
                "Start with zeros; false, as in the paper, draws from a normal distribution.",
            ),
        },
        returns=counted("None if self.n_frequency_pattern else self.n_frequency * len(on.linear)"),
    ),
    Method(
        "waveft",
        "WaveFTConfig",
        "WaveFT",
        """a few trained coefficients of the update's wavelet transform.

    As small as FourierFT, with coefficients that act on one place of the weight each.""",
        "arXiv 2505.12532",
        {
            "n_frequency": Word("Count", "Trained coefficients of each layer."),
            "scaling": Word("Positive", "Factor of the update."),
            "wavelet_family": Word("str", "Wavelet, by the name that PyWavelets has for it."),
            "use_idwt": Word("bool", "Transform back; false trains entries of the weight itself."),
            "random_loc_seed": Word("Natural", "Seed of which coefficients are trained."),
            "bias": bias("waveft_only"),
            "n_frequency_pattern": Word(
                "dict[str, Count]",
                "Other numbers of coefficients for layers whose name matches a regular expression.",
            ),
            "proportional_parameters": Word(
                "bool", "Give larger layers more coefficients, the same number in all."
            ),
            "init_weights": Word(
                "bool", "Start with zeros; false draws from a normal distribution."
            ),
        },
        returns=counted(
            "None if self.n_frequency_pattern or self.proportional_parameters "
            "else self.n_frequency * len(on.linear)"
        ),
    ),
    Method(
        "vblora",
        "VBLoRAConfig",
        "VB-LoRA",
        """all matrices of all layers are mixed from one bank of trained vectors.

    What is stored can be a hundredth of LoRA's.""",
        "arXiv 2405.15179",
        {
            **rank(),
            "num_vectors": Word("Count", "Vectors in the bank."),
            "vector_length": Word(
                "Count", "Length of a vector; has to divide the sizes of the layers."
            ),
            "topk": Word("Count", "Vectors that each piece of a matrix is mixed from."),
            "save_only_topk_weights": Word(
                "bool", "Save the mixture alone: much smaller, and cannot be trained further."
            ),
            **dropout("vblora_dropout"),
            "bias": bias("vblora_only"),
            "init_vector_bank_bound": Word(
                "Positive", "The bank starts within plus and minus this."
            ),
            "init_logits_std": Word("Positive", "Spread of the random start of the mixtures."),
        },
        returns=counted(
            "self.num_vectors * self.vector_length + sum(self.r * (o + i) // self.vector_length "
            "* self.num_vectors for o, i in on.linear.values())"
        ),
        traits={"learning_rate_factor": "5"},
        snippet="adapter: {type: vblora, num_vectors: 256, vector_length: 256}",
    ),
    Method(
        "unilora",
        "UniLoraConfig",
        "Uni-LoRA",
        """all matrices of all layers are looked up in one trained vector.

    One vector is the whole adapter.""",
        "arXiv 2506.00799",
        {
            **rank(),
            "theta_d_length": Word("Count", "Length of the vector: all parameters that train."),
            "proj_seed": Word("Natural", "Seed of which entry stands where."),
            **dropout("unilora_dropout"),
            "bias": bias("unilora_only"),
            "init_theta_d_bound": Word("Positive", "The vector starts within plus and minus this."),
            "save_indices": Word("bool", "Save where which entry stands, and not the seed alone."),
        },
        returns=counted("self.theta_d_length"),
        traits={"learning_rate_factor": "10"},
    ),
    Method(
        "tinylora",
        "TinyLoraConfig",
        "TinyLoRA",
        """a handful of parameters per layer, or for the whole model, steer its singular directions.

    Made for reinforcement learning, where a few bits are learned from each answer.""",
        "arXiv 2602.04118",
        {
            **rank("Singular directions that are steered."),
            "u": Word("Count", "Parameters of each group of layers."),
            "weight_tying": Word(
                "Share", "How far layers share parameters: 0 not at all, 1 all of them."
            ),
            "projection_seed": Word("Natural", "Seed of the frozen projections."),
            "init_v_bound": Word("NotNegative", "The parameters start within plus and minus this."),
            **dropout("tinylora_dropout"),
            "bias": bias("tinylora_only"),
            "init_weights": Word(
                'bool | Literal["uniform"]',
                "Start: true is without an effect, `uniform` draws within `init_v_bound`.",
            ),
        },
        returns=counted("None if self.weight_tying else self.u * len(on.linear)"),
        traits={"learning_rate_factor": "10"},
    ),
    Method(
        "road",
        "RoadConfig",
        "RoAd",
        """pairs of a layer's outputs are rotated and scaled.

    Costs nothing when it answers, and different adapters can answer in one batch.""",
        "arXiv 2409.00119",
        {
            "target_modules": Word(
                "str | Strings",
                "Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names.",
                "all-linear",
            ),
            "variant": Word(
                'Literal["road_1", "road_2", "road_4"]',
                "Parameters: one, two or four times the outputs of the layer.",
            ),
            "group_size": Word(
                "Count", "Outputs that are paired among each other; even, and divides the outputs."
            ),
        },
        returns=counted("int(self.variant[-1]) * sum(o for o, _ in on.linear.values())"),
        traits={"layers": "PLAIN_AND_BNB"},
    ),
    Method(
        "beft",
        "BeftConfig",
        "BEFT",
        """trains a bias on chosen layers, and nothing else.

    The values projections are the ones that pay.""",
        "arXiv 2509.15974",
        {"target_modules": Word("str | Strings | None", _OWN_TARGETS, KEEP)},
        returns=counted("sum(o for o, _ in on.linear.values())"),
        traits={"learning_rate_factor": "5"},
        snippet="adapter: {type: beft, target_modules: [v_proj]}",
    ),
    Method(
        "ln_tuning",
        "LNTuningConfig",
        "LayerNorm tuning",
        """trains the norms of the model, and nothing else.

    A few thousandths of a percent of the parameters.""",
        "arXiv 2312.11420",
        {"target_modules": Word("str | Strings | None", _OWN_TARGETS, KEEP)},
        returns=counted("sum(on.whole.values())"),
        traits={"targets": '"norms"', "layers": "ALL", "learning_rate_factor": "5"},
    ),
)
