"""Muon for the matrices of the layers and AdamW for everything else, as one optimizer.

Muon takes the momentum of a matrix and makes its singular values equal (arXiv 2502.16982,
with the scale that makes one learning rate fit both parts). Embeddings, the head, norms and
biases are no maps between hidden states, and train with AdamW.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.optim import AdamW, Muon, Optimizer

from recipe_runner.plan.trainable import TrainableParts, found_by

MATRICES = "matrices"
"""Key of a group: True where Muon steps it."""

_OF_PEFT = re.compile(r"\.(base_layer|(modules_to_save|original_module)(\.\w+)?)(?=\.)")
"""What PEFT puts into the names of modules that it has wrapped."""

_OUTSIDE = TrainableParts(embeddings=True, head=True)


class MuonFactory:
    """Makes the optimizer of a model, which the trainer has wrapped by then."""

    def __call__(
        self,
        model: Any,
        *,
        arguments: Any,
        options: Mapping[str, Any],
        decay_names: Callable[[Any], Iterable[str]],
    ) -> Optimizer:
        """`arguments` are the trainer's, `options` those of `torch.optim.Muon`."""
        decays = set(decay_names(model))
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        plain = {_OF_PEFT.sub("", name): name for name, _ in named}
        outside = {plain[n] for found in found_by(plain, _OUTSIDE).values() for n in found}
        groups: dict[tuple[bool, bool], list[Any]] = {}
        for name, parameter in named:
            matrix = parameter.ndim == 2 and name not in outside
            groups.setdefault((matrix, name in decays), []).append(parameter)
        return MuonAndAdamW(
            [
                {
                    "params": parameters,
                    MATRICES: matrix,
                    "weight_decay": arguments.weight_decay if decay else 0.0,
                }
                # The trainer's log tells the rate of the first group.
                for (matrix, decay), parameters in sorted(groups.items(), reverse=True)
            ],
            lr=arguments.learning_rate,
            betas=(arguments.adam_beta1, arguments.adam_beta2),
            eps=arguments.adam_epsilon,
            options=options,
        )


class MuonAndAdamW(Optimizer):
    """`torch.optim.Muon` and `torch.optim.AdamW` over the groups of one optimizer.

    They share groups and state with it, so a schedule, a checkpoint and a scaler that know
    one optimizer serve both.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        options: Mapping[str, Any],
    ) -> None:
        """`options` go to Muon; a group without the mark for matrices is AdamW's."""
        spare = [torch.nn.Parameter(torch.zeros(1, 1))]
        self._muon = Muon(spare, lr=lr, **{"adjust_lr_fn": "match_rms_adamw", **options})
        self._adamw = AdamW(spare, lr=lr, betas=betas, eps=eps)
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, MATRICES: False})
        self._share()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group with the options of the part that steps it."""
        part = self._muon if param_group.get(MATRICES) else self._adamw
        super().add_param_group({**part.defaults, MATRICES: False, **param_group})
        self._share()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a saved state, for both parts."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of both parts."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # Whoever wraps a model may have put other parameters or another state in the place.
        self._share()
        self._muon.step()
        self._adamw.step()
        return loss

    def _share(self) -> None:
        for part, matrices in ((self._muon, True), (self._adamw, False)):
            part.state = self.state
            part.param_groups = [g for g in self.param_groups if g[MATRICES] is matrices]
