# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""AdaMSS, through PEFT."""

from typing import ClassVar, Literal

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count, Indices, Natural, Share
from recipe_runner.plan import Requirement


class Adamss(Adapter):
    """AdaMSS: clusters the singular directions of a weight, and trains a small update in each cluster.

    Needs scikit-learn for the clusters.

    Source: `peft.AdamssConfig`.
    """

    type: Literal["adamss"]
    r: Count = 100
    """Singular directions that are looked at."""
    num_subspaces: Count = 5
    """Clusters."""
    subspace_rank: Count = 1
    """Rank of the update in each cluster."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    init_weights: Literal["orthogonal"] | None = "orthogonal"
    """Start of the matrices; null is random."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    use_dynamic_rank: bool = False
    """Let the singular values decide the rank of each cluster."""
    svd_threshold: Share = 0.1
    """With `use_dynamic_rank`: singular values below this share of the largest do not count."""
    random_seed: Natural = 0
    """Seed of what the method draws at its start."""

    upstream: ClassVar[str | None] = "peft:AdamssConfig"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("scikit-learn", "sklearn", "adapter: adamss"),
    )
    snippet: ClassVar[str] = "adapter: adamss"
