"""The dimensions that a `config.json` states, under one name each."""

from collections.abc import Mapping
from typing import Any

_OTHER_NAMES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_experts": "num_local_experts",
    "num_hidden_layers": "n_layer",
}
"""Other names for the same: those of GPT-2, and the one that experts are saved under."""


class Values:
    """A configuration read with the defaults of its class. Sizes are numbers of features."""

    def __init__(self, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._config, self._defaults = config, defaults

    def __getitem__(self, name: str) -> Any:
        for key in (name, _OTHER_NAMES.get(name, name)):
            if self._config.get(key) is not None:
                return self._config[key]
        return self._defaults.get(name)

    def number(self, name: str) -> int:
        """A dimension. Raises KeyError where neither the configuration nor its class states one."""
        value = self[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise KeyError(name)
        return value

    def flag(self, name: str) -> bool:
        """A switch; one that nobody states is off."""
        return bool(self[name])

    @property
    def hidden(self) -> int:
        """Features of a token between the layers."""
        return self.number("hidden_size")

    @property
    def rows(self) -> int:
        """Rows of the embeddings."""
        return self.number("vocab_size")

    @property
    def inner(self) -> int:
        """Features inside a feed-forward layer."""
        return self.number("intermediate_size")

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.number("num_attention_heads")

    @property
    def key_value_heads(self) -> int:
        """Heads of keys and values."""
        return (
            self.heads
            if self["num_key_value_heads"] is None
            else self.number("num_key_value_heads")
        )

    @property
    def head_dim(self) -> int:
        """Features of one head."""
        return self.hidden // self.heads if self["head_dim"] is None else self.number("head_dim")
