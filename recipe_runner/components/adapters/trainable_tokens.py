# Generated from devtools/adapter_words: python -m recipe_runner.devtools.generate
"""Trainable tokens, through PEFT."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.adapter import ALL, Adapter, Layers, Measures, Targets
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Indices


class TrainableTokens(Adapter):
    """Trainable tokens: trains the embeddings of chosen tokens, and nothing else.

    Use it for tokens that were added or never trained. LoRA has it as the option
    `trainable_token_indices`.

    Source: `peft.TrainableTokensConfig`.
    """

    type: Literal["trainable_tokens"]
    token_indices: Annotated[Indices, Field(min_length=1)]
    """Ids of the tokens."""
    target_modules: str | Strings | None = None
    """Embeddings; null is the model's input embeddings."""
    init_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""

    upstream: ClassVar[str | None] = "peft:TrainableTokensConfig"
    targets: ClassVar[Targets] = "tokens"
    layers: ClassVar[Layers] = ALL
    snippet: ClassVar[str] = "adapter: {type: trainable_tokens, token_indices: [5, 6]}"

    def parameters(self, on: Measures) -> int | None:
        return len(self.token_indices) * on.hidden_size
