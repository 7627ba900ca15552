"""What a run takes: memory of a process, tokens and work of a step, disk of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of one process on its device at the fullest moment of a step.

    The parts are what there is at that moment, so they add up to the peak: in a step of one
    micro-batch, gradients come while activations go. `weights` include the copies that a
    computation in 16 bits makes of them, and other models. `activations` are what the forward
    pass keeps for the backward pass, and what the layer at hand needs besides. `logits` are the
    buffers of the loss, `buffers` what drivers, libraries, communication and the allocator take.
    `limit` is the memory of the device; None where it is not known.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    buffers: int
    limit: int | None = None

    @property
    def total(self) -> int:
        """All parts."""
        return (
            self.weights
            + self.gradients
            + self.optimizer
            + self.activations
            + self.logits
            + self.buffers
        )


@dataclass(frozen=True)
class TracedPlan:
    """What was found on the model itself, on tensors without content, beside what was told of it.

    `activations` are bytes at the fullest moment of a step, `by_formula` what the formula tells of
    them; None where it does not know the model. `total` and `trained` count parameters, as
    `ParameterPlan` does, and `told_total` and `told_trained` are what the configuration tells.
    """

    activations: int
    by_formula: int | None
    total: int
    trained: int
    told_total: int | None
    told_trained: int | None

    @property
    def difference(self) -> float | None:
        """How far the formula is off, as a fraction of what was traced."""
        if self.by_formula is None or not self.activations:
            return None
        return self.by_formula / self.activations - 1


@dataclass(frozen=True)
class CostPlan:
    """What a step costs, as a formula tells from the model's configuration.

    Tokens are those of rows of full length, padding included: per process for a micro-batch, over
    all processes for an optimizer step. `flops_per_token` are floating point operations of
    training on one token, without what checkpointing computes twice. `checkpoint_bytes` is a
    checkpoint on disk. `expected_error` of the memory is a fraction: 0.1 is 10% either way.

    `seconds_per_step` is the time of an optimizer step on that many tokens, and `time_error` its
    expected error; None where the machine was not measured, or generates answers meanwhile.

    With `traced` the activations are those of a trace (`recipe-run plan --trace`).
    """

    memory: MemoryPlan
    tokens_per_micro_batch: int
    tokens_per_step: int
    flops_per_token: float
    checkpoint_bytes: int
    expected_error: float
    seconds_per_step: float | None = None
    time_error: float | None = None
    traced: TracedPlan | None = None

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of all processes, padding included."""
        return (
            None if self.seconds_per_step is None else self.tokens_per_step / self.seconds_per_step
        )
