"""Faults of experimental trainers upstream, each mended in one place here.

TRL 1.16. Four trainers depend on how a batch is split into accumulation steps and processes,
which a recipe leaves to the machine. It is the fault that huggingface/trl#2615 mended in DPO.
`tests/runs/algorithms/test_mended.py` fails on the day a release has mended it elsewhere,
and the class here can go.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from recipe_runner.execute.fault import fault
from recipe_runner.execute.rewards.codes import NOTHING_TO_LEARN
from recipe_runner.rows.answers import IGNORED


class CountsWhatTrains:
    """For GOLD and IW-OPD: a loss is averaged over the tokens of the step that it is of.

    Upstream draws the batches of a step at once, is told the tokens of the rows N times over,
    for N accumulation steps, and of all processes, while gradients are averaged over these.
    It also counts the answers of the rows where the model's own answers train. What is averaged
    over a batch is not divided by N, and N times too large.
    """

    args: Any
    accelerator: Any
    model: Any
    _buffered_inputs: Any

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Upstream's loss in its right size."""
        trains = self.model.training and num_items_in_batch is not None
        by_batch = _averages_batches(self.args)
        # An evaluation averages each batch by itself.
        count = self._trained() if trains and not by_batch else None
        found = super().compute_loss(  # type: ignore[misc]  # of the trainer beside it
            model, inputs, return_outputs=return_outputs, num_items_in_batch=count
        )
        if not (trains and by_batch):
            return found
        steps = self.args.gradient_accumulation_steps
        return (found[0] / steps, *found[1:]) if return_outputs else found / steps

    def _trained(self) -> Any:
        """Tokens that train in this step, as a mean over processes."""
        return trained_tokens(self._buffered_inputs, self.accelerator)


def _averages_batches(args: Any) -> bool:
    """True where upstream divides a loss by what its own batch has."""
    served = getattr(args, "use_teacher_server", False)
    return getattr(args, "use_uld_loss", False) or (
        served and getattr(args, "distillation_objective", "") == "jsd"
    )


def trained_tokens(batches: Iterable[Mapping[str, Any]], accelerator: Any) -> Any:
    """Tokens with a label in the batches of a step, as a mean over processes; at least a bit."""
    local = sum((batch["labels"][:, 1:] != IGNORED).sum() for batch in batches)
    total = accelerator.reduce(local.to(accelerator.device), reduction="sum")
    return total.clamp(min=1) / accelerator.num_processes


class AnswersBeforeCounting:
    """For GKD: the model answers the batches of a step before their tokens are counted.

    Upstream counts the answers of the rows, over all processes, and then puts the model's own
    in their place, which are longer or shorter. Its losses are too small by that, and by the
    number of processes.
    """

    accelerator: Any
    args: Any
    lmbda: float
    seq_kd: bool
    model_wrapped: Any
    teacher_model: Any
    generation_config: Any
    generation_kwargs: Any

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: Any
    ) -> tuple[list[Any], Any]:
        """The batches of a step with the answers that train, and their tokens."""
        batches, _ = super().get_batch_samples(  # type: ignore[misc]
            epoch_iterator, num_batches, device
        )
        batches = [self._answered(self._prepare_inputs(batch)) for batch in batches]  # type: ignore[attr-defined]
        return batches, trained_tokens(batches, self.accelerator) if batches else None

    def _answered(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """A batch with answers of the model or the teacher, or its own.

        Source: `trl.experimental.gkd.GKDTrainer.training_step`.
        """
        from trl.models.utils import unwrap_model_for_generation

        own = random.random() <= self.lmbda
        if not own and not self.seq_kd:
            return inputs
        given = {"gradient_checkpointing_kwargs": self.args.gradient_checkpointing_kwargs}
        with unwrap_model_for_generation(
            self.model_wrapped if own else self.teacher_model,
            self.accelerator,
            generation_kwargs=self.generation_kwargs,
            **(given if own else {}),
        ) as model:
            ids, mask, labels = self.generate_on_policy_outputs(  # type: ignore[attr-defined]
                model, inputs, self.generation_config
            )
        return {**inputs, "input_ids": ids, "attention_mask": mask, "labels": labels}

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Upstream's step, which does not answer again."""
        lmbda, seq_kd = self.lmbda, self.seq_kd
        self.lmbda, self.seq_kd = -1.0, False
        try:
            return super().training_step(*args, **kwargs)  # type: ignore[misc]
        finally:
            self.lmbda, self.seq_kd = lmbda, seq_kd


class DividesGradients:
    """For online DPO: gradients are averaged over accumulation steps, and not summed."""

    accelerator: Any
    args: Any

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Upstream's step; `accelerator.backward` divides by what it is told."""
        self.accelerator.gradient_accumulation_steps = self.args.gradient_accumulation_steps
        return super().training_step(*args, **kwargs)  # type: ignore[misc]


class ReportsToItsCaller:
    """For A2PO and SDFT: what an evaluation logs is also what it returns.

    Upstream's other trainers with numbers of their own do so; without it the best checkpoint
    cannot be chosen by any number but the loss.
    """

    model: Any
    _metrics: Any

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Upstream's log, which adds its numbers to a copy."""
        if not self.model.training:
            means = {k: sum(v) / len(v) for k, v in self._metrics["eval"].items() if v}
            logs.update({f"eval_{name}": mean for name, mean in means.items()})
        super().log(logs, start_time)  # type: ignore[misc]


class TellsThatNothingIsLeft(ReportsToItsCaller):
    """For A2PO: a run in which every prompt is set aside says so, and not that 0 rows are no data.

    Its rewards are told the step that the answers are of, as those of other trainers are.
    """

    args: Any
    state: Any
    train_dataset: Any
    recipe_path: str

    def _calculate_rewards(self, prompts: Any, completions: Any, **columns: Any) -> Any:
        """Upstream's rewards, with the state of the run."""
        return super()._calculate_rewards(  # type: ignore[misc]
            prompts, completions, trainer_state=self.state, **columns
        )

    def _estimate_optimal_values(self) -> None:
        """Upstream's first stage, and RR721 where it leaves no row."""
        prompts = len(self.train_dataset)
        super()._estimate_optimal_values()  # type: ignore[misc]
        if len(self.train_dataset):
            return
        raise fault(
            NOTHING_TO_LEARN,
            self.recipe_path,
            f"none of {self.args.num_value_samples} answers to each of {prompts:,} prompts had a "
            "reward above 0",
            "look at completions.jsonl; take easier prompts, or a model that has had sft",
        )


class KeepsHeadInFloat32:
    """For RewardTrainer: the head of a judge takes what a quantized base gives it.

    Upstream turns all that trains into bfloat16 where the base is quantized, its head too, and
    without autocast the head is given float32.
    """

    model: Any
    args: Any

    def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
        """Upstream's optimizer, of a head in float32."""
        if not (self.args.bf16 or self.args.fp16):
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad and "modules_to_save" in name:
                    parameter.data = parameter.data.float()
        return super().create_optimizer(*args, **kwargs)  # type: ignore[misc]


MENDED: Mapping[str, type] = {
    "trl:RewardTrainer": KeepsHeadInFloat32,
    "trl.experimental.a2po:A2POTrainer": TellsThatNothingIsLeft,
    "trl.experimental.gkd:GKDTrainer": AnswersBeforeCounting,
    "trl.experimental.gold:GOLDTrainer": CountsWhatTrains,
    "trl.experimental.iw_opd:IWOPDTrainer": CountsWhatTrains,
    "trl.experimental.sdft:SDFTTrainer": ReportsToItsCaller,
    "trl.experimental.online_dpo:OnlineDPOTrainer": DividesGradients,
}
"""What mends a trainer, by its target."""
