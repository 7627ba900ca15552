"""Fully sharded data parallel, version 2."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.base import Strings
from recipe_runner.components.sharding import Processes, Sharding


class Fsdp(Sharding):
    """FSDP 2: weights, gradients and optimizer state are cut into one shard per process.

    Use it where the model trains in full and one device cannot hold it.

    Source: PyTorch `fully_shard`; accelerate's `FullyShardedDataParallelPlugin`.
    """

    type: Literal["fsdp"]
    reshard_after_forward: bool = True
    """Free the gathered weights after the forward pass: less memory, one more gather in the backward pass."""
    cpu_offload: bool = False
    """Keep the shards in CPU memory: much slower, for models that fit no other way."""
    auto_wrap_policy: Literal["TRANSFORMER_BASED_WRAP", "SIZE_BASED_WRAP", "NO_WRAP"] = (
        "TRANSFORMER_BASED_WRAP"
    )
    """How the model is cut into units."""
    transformer_layer_cls_to_wrap: Strings | None = None
    """Classes of the layers that become units; null takes those the model names."""
    min_num_params: int = 100_000_000
    """Parameters of a unit with `SIZE_BASED_WRAP`."""
    state_dict_type: Literal["FULL_STATE_DICT", "SHARDED_STATE_DICT"] = "SHARDED_STATE_DICT"
    """Checkpoints as one whole or as one shard per process; the final model is always whole."""
    cpu_ram_efficient_loading: bool = True
    """Load the weights once per machine instead of once per process."""
    activation_checkpointing: bool = False
    """Recompute activations inside each unit; takes the place of `training.activation_checkpointing`."""

    shards_weights: ClassVar[bool] = True
    keeps_matrices: ClassVar[bool] = False
    snippet: ClassVar[str] = "launch: {strategy: fsdp, num_processes: 8}"

    @property
    def checkpoints_activations(self) -> bool:
        return self.activation_checkpointing

    def idle(self) -> Iterable[tuple[str, str, str]]:
        defaults = type(self).model_fields
        for field, policy in (
            ("min_num_params", "SIZE_BASED_WRAP"),
            ("transformer_layer_cls_to_wrap", "TRANSFORMER_BASED_WRAP"),
        ):
            given = getattr(self, field) != defaults[field].default
            if given and self.auto_wrap_policy != policy:
                why = f"`auto_wrap_policy` is {self.auto_wrap_policy}"
                yield field, why, f"set `auto_wrap_policy: {policy}`, or remove it"

    def compile(self, processes: Processes) -> Mapping[str, Any]:
        config: dict[str, Any] = {
            "fsdp_version": 2,
            "fsdp_reshard_after_forward": self.reshard_after_forward,
            "fsdp_offload_params": self.cpu_offload,
            "fsdp_auto_wrap_policy": self.auto_wrap_policy,
            "fsdp_state_dict_type": self.state_dict_type,
            "fsdp_cpu_ram_efficient_loading": self.cpu_ram_efficient_loading,
            "fsdp_activation_checkpointing": self.activation_checkpointing,
        }
        if self.transformer_layer_cls_to_wrap is not None:
            config["fsdp_transformer_layer_cls_to_wrap"] = ",".join(
                self.transformer_layer_cls_to_wrap
            )
        if self.auto_wrap_policy == "SIZE_BASED_WRAP":
            config["fsdp_min_num_params"] = self.min_num_params
        return {"distributed_type": "FSDP", "fsdp_config": config}
