# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""PSOFT, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter, Measures
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Dropout, Indices, Natural, Positive


class Psoft(Adapter):
    """PSOFT: a rotation within the largest singular directions of a weight.

    Fewer parameters than OFT, and as cheap as LoRA.

    Source: arXiv 2505.11235; `peft.PsoftConfig`.
    """

    type: Literal["psoft"]
    r: Count = 32
    """Singular directions that are rotated."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    psoft_alpha: Count = 32
    """Scale of the update: it is multiplied by psoft_alpha / r."""
    psoft_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    ab_svd_init: Literal["psoft_init", "pissa_init"] = "psoft_init"
    """How the directions are split between the two frozen matrices."""
    psoft_svd: Literal["full", "lowrank"] = "full"
    """Exact singular values, or approximate ones, which are faster."""
    psoft_svd_lowrank_niter: Natural = 10
    """Iterations of the approximate ones."""
    random_seed: Natural = 0
    """Seed of what the method draws at its start."""
    psoft_orth: bool = True
    """Rotate; false trains any matrix between the directions."""
    psoft_mag_b: bool = True
    """Scale the directions after the rotation."""
    psoft_mag_a: bool = True
    """Scale the directions before the rotation."""
    use_cayley_neumann: bool = False
    """Compute the rotation from a series instead of an inverse: faster, and nearly orthogonal."""
    num_cayley_neumann_terms: Count = 5
    """Terms of that series."""
    cayley_neumann_eps: Positive | None = None
    """How far a rotation from the series may go; null is any."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""

    upstream: ClassVar[str | None] = "peft:PsoftConfig"
    snippet: ClassVar[str] = "adapter: psoft"

    def parameters(self, on: Measures) -> int | None:
        return len(on.linear) * (
            (self.r * (self.r - 1) // 2 if self.psoft_orth else self.r**2)
            + self.r * (self.psoft_mag_a + self.psoft_mag_b)
        )
