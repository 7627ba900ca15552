# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""VB-LoRA, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Positive


class Vblora(Adapter):
    """VB-LoRA: all matrices of all layers are mixed from one bank of trained vectors.

    What is stored can be a hundredth of LoRA's.

    Source: arXiv 2405.15179; `peft.VBLoRAConfig`.
    """

    type: Literal["vblora"]
    r: Count = 4
    """Rank of the update."""
    num_vectors: Count = 256
    """Vectors in the bank."""
    vector_length: Count = 256
    """Length of a vector; has to divide the sizes of the layers."""
    topk: Count = 2
    """Vectors that each piece of a matrix is mixed from."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    save_only_topk_weights: bool = False
    """Save the mixture alone: much smaller, and cannot be trained further."""
    vblora_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    bias: Literal["none", "all", "vblora_only"] = "none"
    """Which biases of the model train besides; anything but `none` changes the base with the adapter off."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_vector_bank_bound: Positive = 0.02
    """The bank starts within plus and minus this."""
    init_logits_std: Positive = 0.1
    """Spread of the random start of the mixtures."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:VBLoRAConfig"
    learning_rate_factor: ClassVar[float] = 5
    snippet: ClassVar[str] = "adapter: {type: vblora, num_vectors: 256, vector_length: 256}"

    def parameters(self, on: Measures) -> int | None:
        return self.num_vectors * self.vector_length + sum(
            self.r * (o + i) // self.vector_length * self.num_vectors for o, i in on.linear.values()
        )
