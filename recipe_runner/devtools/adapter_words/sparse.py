"""Methods that train chosen entries of a weight, or chosen tokens."""

from recipe_runner.devtools.adapter_words.word import counted, rank
from recipe_runner.devtools.worded import KEEP, REQUIRED, Method, Word

METHODS = (
    Method(
        "shira",
        "ShiraConfig",
        "SHiRA",
        """trains a few entries of each weight, which are drawn at random.

    Adapters hardly touch each other's entries, so several can be added up.""",
        "arXiv 2406.13175",
        {
            **rank("As many entries as a LoRA of this rank has parameters."),
            "mask_type": Word('Literal["random"]', "How the entries are chosen."),
            "random_seed": Word("Natural | None", "Seed of the choice; null is the run's."),
        },
        returns=counted("sum(self.r * (o + i) for o, i in on.linear.values())"),
        traits={"layers": "BACKED"},
    ),
    Method(
        "supertuning",
        "SupertuningConfig",
        "Super",
        """trains the largest entries of each weight; with a rank, a LoRA beside them.""",
        "arXiv 2607.09287",
        {
            "sparsity": Word("Dropout", "Share of the entries that stay as they are."),
            "select_top": Word("bool", "Train the largest entries; false trains the smallest."),
            "r": Word("Count | None", "Rank of a LoRA beside the entries; null has none."),
            "lora_alpha": Word("Positive | None", "Scale of that LoRA; null is twice the rank."),
            "lora_dropout": Word("Dropout", "Dropout on the input of that LoRA, a fraction."),
            "save_precomputed_indices": Word(
                "bool", "Save which entries train; false finds them again from the base's weights."
            ),
        },
    ),
    Method(
        "trainable_tokens",
        "TrainableTokensConfig",
        "Trainable tokens",
        """trains the embeddings of chosen tokens, and nothing else.

    Use it for tokens that were added or never trained. LoRA has it as the option
    `trainable_token_indices`.""",
        "",
        {
            "token_indices": Word(
                "Annotated[Indices, Field(min_length=1)]", "Ids of the tokens.", REQUIRED
            ),
            "target_modules": Word(
                "str | Strings | None", "Embeddings; null is the model's input embeddings.", KEEP
            ),
        },
        returns=counted("len(self.token_indices) * on.hidden_size"),
        traits={"targets": '"tokens"', "layers": "ALL"},
        snippet="adapter: {type: trainable_tokens, token_indices: [5, 6]}",
    ),
)
