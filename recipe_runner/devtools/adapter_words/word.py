"""Words that several adapters share."""

from __future__ import annotations

from collections.abc import Mapping

from recipe_runner.devtools.worded import Word

LEFT_OUT: Mapping[str, str] = {
    "task_type": "follows from the algorithm",
    "peft_type": "follows from the component",
    "auto_mapping": "PEFT writes it",
    "peft_version": "PEFT writes it",
    "base_model_name_or_path": "PEFT writes it",
    "revision": "is the model's",
    "inference_mode": "PEFT sets it when it loads",
    "fan_in_fan_out": "PEFT finds it out from the layer",
    "token_dim": "PEFT reads it from the model",
    "num_transformer_submodules": "PEFT reads it from the model",
    "num_attention_heads": "PEFT reads it from the model",
    "num_layers": "PEFT reads it from the model",
}
"""Options that no component has, each with the reason."""

COMMON: Mapping[str, Word] = {
    "target_modules": Word(
        "str | Strings",
        "Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names.",
        "all-linear",
    ),
    "exclude_modules": Word("str | Strings | None", "Layers to leave out, in the same forms."),
    "modules_to_save": Word(
        "Strings | None", "Modules trained in full and saved with the adapter."
    ),
    "layers_to_transform": Word(
        "Indices | None", "Indices of the decoder layers to adapt; null is all of them."
    ),
    "layers_pattern": Word(
        "str | None",
        "Name of the list of decoder layers, where `layers_to_transform` cannot find it.",
    ),
    "init_weights": Word(
        "bool", "Start without an effect on the model; false starts from random weights."
    ),
    "rank_pattern": Word(
        "dict[str, Count]", "Other ranks for layers whose name matches a regular expression.", {}
    ),
    "projection_prng_key": Word("Natural", "Seed of the frozen random matrices."),
    "save_projection": Word(
        "bool",
        "Save the frozen random matrices too: larger files that load the same with any PyTorch.",
    ),
    "d_initial": Word("float", "Start of the trained vector that scales the inner dimension."),
    "random_seed": Word("Natural", "Seed of what the method draws at its start."),
}
"""Options that several methods share."""


def bias(own: str) -> Word:
    """Which biases train; `own` is the method's word for those of its own layers."""
    return Word(
        f'Literal["none", "all", "{own}"]',
        "Which biases of the model train besides; anything but `none` changes the base with the adapter off.",
    )


def dropout(name: str) -> Mapping[str, Word]:
    """The option `name`, dropout on the adapter's input."""
    return {name: Word("Dropout", "Dropout on the adapter's input, a fraction.")}


def rank(text: str = "Rank of the update.") -> Mapping[str, Word]:
    """The option `r`."""
    return {"r": Word("Count", text)}


def counted(expression: str) -> Mapping[str, str]:
    """The number of trained parameters on `on` (`components.adapter.Measures`)."""
    return {"def parameters(self, on: Measures) -> int | None:": expression}
