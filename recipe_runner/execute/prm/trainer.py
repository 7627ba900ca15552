"""Trains a judge: a model that says of each step of an answer whether it is right.

B: rows of a batch, T: tokens of a row, N: rows of a data set. A step is a token with a
label, 0 for wrong and 1 for right; all other labels are -100.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy
from transformers import Trainer, set_seed

from recipe_runner.execute.tokenize import IGNORED

if TYPE_CHECKING:
    from transformers import EvalPrediction, TrainingArguments

CLASSES = {0: "wrong", 1: "right"}

_HEADS = ("score", "classifier")
"""What transformers calls the last layer of a model that classifies."""


class PRMTrainer(Trainer):
    """Token classification at the ends of steps: process supervision.

    The loss of an optimizer step is the cross-entropy of its steps, averaged over all of
    them, in all accumulated batches and processes. (The Trainer's own is averaged over each
    batch, and with models whose `forward` takes any keyword, as Llama's and Qwen's do, the
    averages of accumulated batches are added up. transformers 5.23.)

    It logs `accuracy`, the share of steps that are judged as they are labelled, and
    `answer_accuracy`, the share of answers of which all steps are. Those of training are of
    the steps since the last log; those of an evaluation, and its loss, are of all its rows,
    however they were batched. `predict` returns, for each row, the loss and the number of
    steps judged rightly, and for labels the number of steps.

    Source: arXiv 2211.14275 and 2305.20050, process-supervised reward models.
    """

    def __init__(
        self,
        model: Any,
        args: TrainingArguments,
        processing_class: Any = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        callbacks: list[Any] | None = None,
        peft_config: Any = None,
        *,
        disable_dropout: bool = True,
    ) -> None:
        """`model` classifies tokens, with two labels.

        `disable_dropout` leaves an adapter its own. Raises `ValueError` for a model with
        other labels, and an adapter for something else.
        """
        if model.config.num_labels != len(CLASSES):
            number = model.config.num_labels
            raise ValueError(f"a step is wrong or right, and the model has {number} labels")
        model.config.id2label = dict(CLASSES)
        model.config.label2id = {name: number for number, name in CLASSES.items()}
        # Nothing is generated, and a cache would hold on to keys and values.
        model.config.use_cache = False
        if disable_dropout:
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        if peft_config is not None:
            set_seed(args.seed)
            model = _adapted(model, peft_config)
            if args.activation_checkpointing:
                # Where all of the first layer is frozen, nothing else would ask for gradients.
                model.enable_input_require_grads()
        super().__init__(
            model=model,
            args=args,
            processing_class=processing_class,
            data_collator=data_collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            callbacks=callbacks,
            compute_metrics=_metrics,
        )
        # The Trainer counts labels over accumulated batches only for models that want it.
        self.model_accepts_loss_kwargs = True
        self._seen = torch.zeros(5, dtype=torch.int64, device=self.args.device)
        self._tokens = 0

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The sum of the losses of the steps, divided by `num_items_in_batch`.

        None divides by the number of steps in `inputs`.
        """
        outputs, judged = self._judge(model, inputs)
        steps = judged.steps.sum() if num_items_in_batch is None else num_items_in_batch
        loss = judged.loss.sum() / steps
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            # Gradients are averaged over processes, and the number is of all of them.
            loss = loss * (self.accelerator.num_processes // self.get_tp_size())
        if model.training:
            tokens = inputs["attention_mask"].sum()
            self._seen += torch.stack([*judged.counts(), tokens])
        return (loss, outputs) if return_outputs else loss

    def prediction_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Any, Any, Any]:
        """The mean loss of a batch; of each row, loss and steps judged rightly [B, 2], and steps [B]."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            _, judged = self._judge(model, inputs)
        loss = judged.loss.sum() / judged.steps.sum()
        if prediction_loss_only:
            return loss, None, None
        return loss, torch.stack([judged.loss, judged.right.float()], dim=1), judged.steps

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add to the row of a training step what was seen since the last one."""
        if "loss" in logs:
            right, steps, whole, answers, tokens = self.accelerator.reduce(self._seen).tolist()
            self._seen.zero_()
            self._tokens += tokens
            found: dict[str, float] = {"num_tokens": self._tokens}
            if steps:
                found |= {"accuracy": right / steps, "answer_accuracy": whole / answers}
            logs = {**logs, **found}
        super().log(logs, start_time)

    def _judge(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, _Judged]:
        labels = inputs["labels"]
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        # Adapters that put virtual tokens before a row have logits for them.
        logits = outputs.logits[:, -labels.shape[1] :].float()
        losses = cross_entropy(
            logits.transpose(1, 2),
            labels,
            ignore_index=IGNORED,
            reduction="none",
            label_smoothing=self.args.label_smoothing_factor,
        )
        right = logits.detach().argmax(dim=-1) == labels
        steps = labels != IGNORED
        return outputs, _Judged(losses.sum(dim=1), right.sum(dim=1), steps.sum(dim=1))


class _Judged(NamedTuple):
    """Of each row of a batch, the sum of the losses of its steps, those judged rightly, all: [B]."""

    loss: torch.Tensor
    right: torch.Tensor
    steps: torch.Tensor

    def counts(self) -> Iterable[torch.Tensor]:
        """Of the batch: steps judged rightly, steps, answers judged rightly throughout, answers."""
        yield self.right.sum()
        yield self.steps.sum()
        yield (self.right == self.steps).sum()
        yield torch.full_like(self.steps, 1).sum()


def _metrics(found: EvalPrediction) -> dict[str, float]:
    """Of all rows of an evaluation, of which `prediction_step` says losses and counts."""
    loss, right = found.predictions.astype("float64").T
    steps = found.label_ids
    return {
        # It takes the place of the Trainer's, a mean of the means of batches.
        "loss": float(loss.sum() / steps.sum()),
        "accuracy": float(right.sum() / steps.sum()),
        "answer_accuracy": float((right == steps).mean()),
    }


def _adapted(model: Any, config: Any) -> Any:
    """The model with an adapter; PEFT trains and saves the head beside it.

    PEFT 0.21 takes the head of a model that classifies tokens for one of `all-linear`, and
    then fails to train it as a whole; those of other models it leaves out.
    """
    from peft import get_peft_model

    if config.task_type != "TOKEN_CLS":
        raise ValueError(f"the adapter is for {config.task_type}: the head would not train")
    config = copy.deepcopy(config)
    # Adapters without modules of their own have no such field.
    if getattr(config, "target_modules", None) == "all-linear":
        heads = [name for name, _ in model.named_children() if name in _HEADS]
        excluded = config.exclude_modules or ()
        if isinstance(excluded, str):
            config.exclude_modules = rf"{excluded}|(.*\.)?({'|'.join(heads)})"
        else:
            config.exclude_modules = {*excluded, *heads}
    return get_peft_model(model, config)
