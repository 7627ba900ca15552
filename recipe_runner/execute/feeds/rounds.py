"""Makes a trainer of TRL that learns in rounds of answers resume exactly.

Upstream draws new answers where a run goes on in the middle of a round, and the order of
the first epoch again where it goes on in a later one. With this mix-in before
`trl.GRPOTrainer`, `trl.RLOOTrainer` or a trainer built on one of them, a run that was
interrupted ends as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device


class KeepsRounds:
    """Saves with each checkpoint where the run is in its round, and goes on from there."""

    def round_state(self: Any) -> dict[str, Any]:
        """What a run has to know, beside weights and random state, to go on with its round.

        `answers` are None between rounds, when nobody reads them again.
        """
        over = self._step % (self.args.steps_per_generation * self.num_iterations) == 0
        return {
            "processes": self.args.world_size,
            "step": self._step,
            "answers": None if over else self._buffered_inputs,
        }

    def restore_round(self: Any, state: Mapping[str, Any]) -> None:
        """Take up a round again; with other processes or steps than it had, it begins anew."""
        answers = state["answers"]
        if answers is None or len(answers) != self.args.steps_per_generation:
            return
        if state["processes"] == self.args.world_size:
            # As they are: the trainer's own way of moving inputs rounds them for DeepSpeed.
            answers = send_to_device(answers, self.args.device)
            self._step, self._buffered_inputs = state["step"], answers

    def _get_train_sampler(self: Any, dataset: Any = None) -> Any:
        sampler = super()._get_train_sampler(dataset)  # type: ignore[misc]  # of TRL's trainer
        return OrderOfEpochs(sampler, lambda: int(self.state.epoch or 0))

    def _save_rng_state(self: Any, output_dir: str) -> None:
        # Like the random state, the answers are those of one process.
        super()._save_rng_state(output_dir)  # type: ignore[misc]  # of TRL's trainer
        torch.save(self.round_state(), _file(output_dir, self.args.process_index))

    def _load_optimizer_and_scheduler(self: Any, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)  # type: ignore[misc]  # of TRL's trainer
        if checkpoint is None:
            return
        mine, first = (_file(checkpoint, n) for n in (self.args.process_index, 0))
        file = mine if mine.exists() else first
        # A checkpoint that something else has saved knows nothing of rounds.
        if file.exists():
            self.restore_round(torch.load(file, map_location="cpu", weights_only=True))


class OrderOfEpochs(torch.utils.data.Sampler):
    """TRL's sampler, which shuffles for the epoch that it is, also where it is its first."""

    def __init__(self, sampler: Any, epoch: Callable[[], int]) -> None:
        self._sampler = sampler
        self._epoch = epoch
        self._drawn = 0

    def __iter__(self) -> Iterator[int]:
        while self._sampler.shuffle and self._drawn < self._epoch():
            torch.randperm(self._sampler.num_samples, generator=self._sampler.generator)
            self._drawn += 1
        self._drawn += 1
        return iter(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler)


def _file(folder: str, process: int) -> Path:
    return Path(folder) / f"round_{process}.pth"
