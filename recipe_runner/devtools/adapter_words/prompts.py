"""Methods that put trained vectors before the prompt, or before the keys and values."""

from recipe_runner.devtools.adapter_words.word import counted
from recipe_runner.devtools.worded import Method, Word

_TOKENS = {"num_virtual_tokens": Word("Count", "Trained vectors; 10 to 100 for most tasks.", 20)}
_TRAITS = {
    "targets": '"prompt"',
    "layers": "ALL",
    "merges": "False",
    "learning_rate_factor": "50",
}

METHODS = (
    Method(
        "prefix_tuning",
        "PrefixTuningConfig",
        "Prefix tuning",
        """each layer attends to trained keys and values before those of the text.

    Use it where the model's weights must not be touched and LoRA cannot be served.""",
        "arXiv 2101.00190",
        {
            **_TOKENS,
            "prefix_projection": Word(
                "bool", "Train a small network that computes the keys and values."
            ),
            "encoder_hidden_size": Word(
                "Count | None", "Width of that network; null is that of the model."
            ),
            "init_weights": Word(
                'Literal["zero"] | None', "Start; `zero` begins near the base, null at random."
            ),
        },
        returns=counted(
            "None if self.prefix_projection "
            "else self.num_virtual_tokens * on.num_layers * 2 * on.key_value_size"
        ),
        traits=_TRAITS,
    ),
    Method(
        "p_tuning",
        "PromptEncoderConfig",
        "P-tuning",
        """trained vectors before the prompt, which a small network computes while it trains.""",
        "arXiv 2103.10385",
        {
            **_TOKENS,
            "encoder_reparameterization_type": Word(
                'Literal["MLP", "LSTM"]', "Kind of the network."
            ),
            "encoder_hidden_size": Word(
                "Count | None", "Width of the network; null is that of the model."
            ),
            "encoder_num_layers": Word("Count", "Layers of an LSTM."),
            "encoder_dropout": Word("Dropout", "Dropout of an LSTM, a fraction."),
        },
        returns=counted(
            'None if self.encoder_reparameterization_type != "MLP" else '
            "(self.num_virtual_tokens + 1) * on.hidden_size + (h := self.encoder_hidden_size "
            "or on.hidden_size) * (2 * on.hidden_size + h + 2)"
        ),
        traits=_TRAITS,
    ),
    Method(
        "cartridge",
        "CartridgeConfig",
        "Cartridge",
        """a trained cache of keys and values that stands for a long document.

    Train it on questions about the document, and leave the document out of the prompt.""",
        "arXiv 2506.06266",
        {
            **_TOKENS,
            "num_frozen_tokens": Word(
                "Natural", "Of these, the first that stay as they are, for attention to rest on."
            ),
        },
        returns=counted(
            "(self.num_virtual_tokens - self.num_frozen_tokens) * on.num_layers * 2 * on.key_value_size"
        ),
        traits=_TRAITS,
    ),
)
