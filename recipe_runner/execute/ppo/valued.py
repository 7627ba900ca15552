"""TRL's generating trainer with a value head on its policy, trained and saved with it.

Knows nothing of rewards or losses. A saved model is the plain policy, and the head is in a
file beside it.
Shapes: B answers of T tokens each, padded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.utils import is_peft_model
from safetensors.torch import load_file, save_file
from trl import GRPOTrainer

from recipe_runner.execute.feeds.rounds import KeepsRounds
from recipe_runner.execute.ppo import value_head

Tensor = Any
"""A torch tensor."""

_IMAGES = (
    "pixel_values",
    "image_grid_thw",
    "num_images",
    "pixel_attention_mask",
    "spatial_shapes",
    "num_tiles",
    "image_sizes",
    "token_type_ids",
    "mm_token_type_ids",
    "image_position_ids",
)


class Scored(NamedTuple):
    """What the policy says of answers, float[B, T] each; `aux_loss` balances experts, or None.

    `values` are of the states in which the tokens were chosen.
    """

    logps: Tensor
    values: Tensor
    entropy: Tensor
    aux_loss: Tensor | None


class ValuedTrainer(KeepsRounds, GRPOTrainer):
    """`trl.GRPOTrainer`, whose policy has a value head with a learning rate of its own."""

    def __init__(self, *args: Any, value_learning_rate: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.value_learning_rate = value_learning_rate
        self._policy = self.model.get_base_model() if is_peft_model(self.model) else self.model
        self.value_head = value_head.attach(self._policy)
        if self.use_vllm:
            # vLLM would refuse a parameter that it does not know.
            named = self.vllm_generation._iter_named_params
            self.vllm_generation._iter_named_params = lambda: value_head.without_head(named())

    def create_optimizer(self, model: Any = None) -> Any:
        if self.optimizer is not None:
            return self.optimizer
        self.value_head.requires_grad_(False)
        optimizer = super().create_optimizer(model)
        self.value_head.requires_grad_(True)
        head, rate = list(self.value_head.parameters()), self.value_learning_rate
        optimizer.add_param_group({"params": head, "lr": rate, "weight_decay": 0.0})
        return optimizer

    def score(
        self,
        model: Any,
        batch: Mapping[str, Any],
        *,
        batch_size: int | None = None,
        aux_loss: bool = False,
    ) -> Scored:
        """Run the policy over prompts and answers, `batch_size` answers at a time."""
        kept = batch["completion_ids"].shape[1]
        values: list[Tensor] = []

        def listening(**given: Any) -> Any:
            output = model(**given)
            values.append(output.value[:, -kept:])
            return output

        logps, entropy, balance = self._get_per_token_logps_and_entropies(
            listening,
            torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1),
            torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1),
            kept,
            batch_size=batch_size,
            compute_entropy=True,
            compute_aux_loss=aux_loss,
            **{name: batch[name] for name in _IMAGES if name in batch},
        )
        return Scored(logps, torch.cat(values), entropy, balance)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        head, policy = self.value_head.state_dict(), None
        if state_dict is not None:  # gathered by FSDP or DeepSpeed
            policy, head = value_head.split(state_dict)
        with value_head.apart(self._policy):
            super()._save(output_dir, policy)
        if self.args.should_save and head:
            save_file(head, Path(output_dir or self.args.output_dir) / value_head.FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:  # the head is among what is sharded
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        with value_head.apart(self._policy):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        self._load_head(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super()._load_best_model()
            return
        with value_head.apart(self._policy):
            super()._load_best_model()
        self._load_head(self.state.best_model_checkpoint)

    def _load_head(self, folder: str) -> None:
        self.value_head.load_state_dict(load_file(Path(folder) / value_head.FILE))
