"""Begins adapters whose first weights come from the training data, or from the base's weights.

Rows are the first of the training data, in order, so that every process and every resumed
run begins with the same weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recipe_runner.execute.adapters.base import put_beneath, wake_beneath
from recipe_runner.execute.build import build
from recipe_runner.plan import Plan

_ON_QUANTIZED = "loftq"


class Beginning:
    """The start of the plan's adapter on `model`, whose training data are `train`."""

    def __init__(self, plan: Plan, model: Any, tokenizer: Any, train: Any) -> None:
        assert plan.adapter is not None
        self._plan, self._model, self._tokenizer, self._train = plan, model, tokenizer, train
        self._how = plan.adapter.arguments.get("init_lora_weights")
        self.first: dict[str, Any] | None = None
        """The adapter's first weights, where it has taken them out of the base."""

    @property
    def beneath(self) -> bool:
        """True where another adapter stays on the base, and both are saved as one."""
        return self._plan.model.adapter is not None and not self._plan.model.adapter.merge

    @property
    def continues(self) -> bool:
        """True where a saved adapter is trained further."""
        start = self._plan.adapter_start
        return start is not None and start.weights is not None

    def config(self) -> Any:
        """PEFT's configuration, after the base was looked at where the method wants that.

        An adapter that is to stay beneath is on the base afterwards.
        """
        config = self._config()
        if self.beneath:
            from peft.tuners.tuners_utils import _maybe_include_all_linear_layers

            # With another adapter there, its matrices would be linear layers too.
            _maybe_include_all_linear_layers(config, self._model)
            put_beneath(self._model, self._plan)
        return config

    def _config(self) -> Any:
        assert self._plan.adapter is not None
        if self._how == _ON_QUANTIZED:
            # PEFT would quantize the base itself; here it is, and the matrices are fitted to it.
            return build(self._plan.adapter, init_lora_weights=True)
        config = build(self._plan.adapter)
        if self._how in ("corda", "lora_ga"):
            from peft.tuners.tuners_utils import _maybe_include_all_linear_layers

            # Both look for layers by name, before PEFT has written out `all-linear`.
            _maybe_include_all_linear_layers(config, self._model)
        if self._how in ("corda", "lora_ga") and not self._plan.arguments.arguments.get("use_cpu"):
            from accelerate import PartialState

            # The trainer moves it there only later.
            self._model.to(PartialState().device)
        if self._how == "corda":
            from peft.tuners.lora.corda import preprocess_corda

            preprocess_corda(self._model, config, run_model=self._look)
        elif self._how == "lora_ga":
            from peft.tuners.lora.loraga import preprocess_loraga

            preprocess_loraga(self._model, config, self._learn)
        return config

    def attached(self, model: Any) -> None:
        """Finish once the adapter is on the base: `model` is PEFT's."""
        if self.beneath:
            wake_beneath(model, self._plan)
        if self._how == "eva":
            from peft import initialize_lora_eva_weights

            with _evaluating(model):
                initialize_lora_eva_weights(model, list(self._batches()), show_progress_bar=False)
        elif self._how == _ON_QUANTIZED:
            _fit_to_quantized(model, self._plan)
        if self._plan.adapter_start is not None and self._plan.adapter_start.changes_base:
            from peft import get_peft_model_state_dict

            state = get_peft_model_state_dict(model)
            self.first = {name: value.detach().cpu().clone() for name, value in state.items()}

    def _look(self) -> None:
        import torch

        with _evaluating(self._model), torch.no_grad():
            # CorDA's hooks take one row at a time.
            for batch in self._batches(size=1):
                self._model(**batch)

    def _learn(self) -> None:
        import torch

        with _evaluating(self._model), torch.enable_grad():
            for batch in self._batches(labels=True):
                self._model(**batch).loss.backward()

    def _batches(
        self, *, labels: bool = False, size: int | None = None
    ) -> Iterator[dict[str, Any]]:
        from recipe_runner.execute.feeds import batches_of

        start = self._plan.adapter_start
        assert start is not None
        collator = batches_of(self._plan, self._tokenizer)
        assert collator is not None, "a rule demands rows that are sequences"
        takes = set(inspect.signature(self._model.forward).parameters)
        size = size or self._plan.steps.per_device
        rows = [self._train[n] for n in range(min(start.rows, len(self._train)))]
        for first in range(0, len(rows), size):
            batch = collator(rows[first : first + size])
            kept = {name: value for name, value in batch.items() if name in takes}
            if not labels:
                kept.pop("labels", None)
            device = next(self._model.parameters()).device
            yield {
                name: value.to(device) if hasattr(value, "to") else value
                for name, value in kept.items()
            }


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout, so that nothing is drawn, and back to what it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _fit_to_quantized(model: Any, plan: Plan) -> None:
    """Fit the matrices to what quantizing the base has lost (LoftQ, arXiv 2310.08659)."""
    from pathlib import Path

    from huggingface_hub import snapshot_download
    from peft import replace_lora_weights_loftq

    name = plan.model.name_or_path
    folder = Path(name)
    if not plan.model.local:
        revision = plan.model.load.get("revision")
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=["*.safetensors*"]))
    index = folder / "model.safetensors.index.json"
    replace_lora_weights_loftq(
        model, str(index if index.is_file() else folder / "model.safetensors")
    )
