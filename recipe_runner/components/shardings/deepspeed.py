"""DeepSpeed ZeRO."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.sharding import Processes, Sharding


class Deepspeed(Sharding):
    """DeepSpeed ZeRO: optimizer state (1), gradients (2) and weights (3) are sharded.

    Use it where your cluster already runs DeepSpeed, or for offload to CPU memory.

    Source: arXiv 1910.02054; accelerate's `DeepSpeedPlugin`.
    """

    type: Literal["deepspeed"]
    zero_stage: Literal[0, 1, 2, 3] = 2
    """What is sharded: 1 optimizer state, 2 gradients too, 3 weights too."""
    offload_optimizer_device: Literal["none", "cpu", "nvme"] = "none"
    """Where the optimizer state lives."""
    offload_param_device: Literal["none", "cpu", "nvme"] = "none"
    """Where the weights live, with stage 3."""
    zero3_init_flag: bool = True
    """Build the model already sharded, with stage 3."""
    zero3_save_16bit_model: bool = True
    """Gather the weights when saving, with stage 3."""

    needs_accelerator: ClassVar[bool] = True
    package: ClassVar[str | None] = "deepspeed"
    keeps_matrices: ClassVar[bool] = False
    snippet: ClassVar[str] = (
        "launch: {strategy: {type: deepspeed, zero_stage: 2}, num_processes: 8}"
    )

    def idle(self) -> Iterable[tuple[str, str, str]]:
        defaults = type(self).model_fields
        for field, least in (
            ("offload_optimizer_device", 1),
            ("offload_param_device", 3),
            ("zero3_init_flag", 3),
            ("zero3_save_16bit_model", 3),
        ):
            if getattr(self, field) != defaults[field].default and self.zero_stage < least:
                why = f"`zero_stage` is {self.zero_stage}"
                yield field, why, f"set `zero_stage: {least}`, or remove it"

    def compile(self, processes: Processes) -> Mapping[str, Any]:
        config: dict[str, Any] = {
            "zero_stage": self.zero_stage,
            "offload_optimizer_device": self.offload_optimizer_device,
            "offload_param_device": self.offload_param_device,
            "gradient_clipping": "auto",
            "gradient_accumulation_steps": "auto",
        }
        if self.zero_stage == 3:
            config["zero3_init_flag"] = self.zero3_init_flag
            config["zero3_save_16bit_model"] = self.zero3_save_16bit_model
        if processes.num_machines > 1:
            # `recipe-run` is started on every machine; the other launchers would start all of
            # them from one, over ssh.
            config["deepspeed_multinode_launcher"] = "standard"
        return {"distributed_type": "DEEPSPEED", "deepspeed_config": config}
