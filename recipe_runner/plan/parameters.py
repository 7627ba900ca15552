"""How much of a model trains, as far as its configuration tells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainedGroup:
    """Modules of one name in all layers, `*` standing for the layer, that train or are adapted.

    `parameters` are the numbers in them that train, None where a share is not told apart.
    """

    pattern: str
    modules: int
    parameters: int | None


@dataclass(frozen=True)
class ParameterPlan:
    """Parameters of the model without an adapter, and those that train; no groups where all do.

    `trained` is None where no formula tells it: a trace counts. `base_bytes` is what the
    weights take once they are loaded, None where the checkpoint decides that.
    """

    total: int
    trained: int | None
    base_bytes: int | None
    groups: tuple[TrainedGroup, ...] = ()
