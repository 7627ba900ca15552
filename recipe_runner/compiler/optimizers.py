"""What is known of each optimizer of `training.optim`: its package, and what it cannot do.

Traits by the beginning of its name, as transformers names them. What is said of a CPU was
seen: `python -m tests.runs.optimizers.menu`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from recipe_runner.upstream import values

MUON = "muon"


@dataclass(frozen=True)
class Optimizer:
    """Traits of an optimizer.

    `package` is what to install and what to import. `gpu_only` ones compute on a CUDA device
    only, and `fails` says why one works nowhere. `low_rank` ones project the gradients of modules that the
    recipe names, `layerwise` ones update a layer in the middle of the backward pass. `groups`
    is False where all parameters have one learning rate, `resumes` where its state does not
    come back whole from a checkpoint. `constant` ones replace the schedule.
    `paged` ones move their state out of a full GPU. `ours` are of this package; they go by
    matrices, so they train whole models, and whole matrices on each process.
    """

    package: tuple[str, str] | None = None
    gpu_only: bool = False
    fails: str | None = None
    low_rank: bool = False
    layerwise: bool = False
    groups: bool = True
    resumes: bool = True
    constant: bool = False
    paged: bool = False
    ours: bool = False


_BITSANDBYTES = ("bitsandbytes", "bitsandbytes")
_GALORE = ("galore-torch", "galore_torch")
_APOLLO = ("apollo-torch", "apollo_torch")
_LOMO = ("lomo-optim", "lomo_optim")
_TORCHAO = ("torchao", "torchao")

_BY_START: Mapping[str, Optimizer] = {
    "adalomo": Optimizer(_LOMO, gpu_only=True, layerwise=True, groups=False, resumes=False),
    "adamw_8bit": Optimizer(_BITSANDBYTES),
    "adamw_anyprecision": Optimizer(("torchdistx", "torchdistx")),
    "adamw_bnb": Optimizer(_BITSANDBYTES),
    "adamw_torch_4bit": Optimizer(_TORCHAO),
    "adamw_torch_8bit": Optimizer(_TORCHAO),
    "adamw_torch_npu": Optimizer(("torch_npu", "torch_npu")),
    "adamw_torch_xla": Optimizer(("torch_xla", "torch_xla")),
    "ademamix": Optimizer(_BITSANDBYTES),
    "apollo_": Optimizer(_APOLLO, low_rank=True, resumes=False),
    "galore_adafactor_layerwise": Optimizer(
        _GALORE,
        low_rank=True,
        fails="transformers gives a learning rate to an Adafactor that wants to find its own",
    ),
    "galore_adamw_8bit": Optimizer(_GALORE, gpu_only=True, low_rank=True, resumes=False),
    "galore_": Optimizer(_GALORE, low_rank=True, resumes=False),
    "grokadamw": Optimizer(("grokadamw", "grokadamw"), resumes=False),
    "lion_": Optimizer(_BITSANDBYTES),
    "lomo": Optimizer(_LOMO, layerwise=True, groups=False),
    MUON: Optimizer(ours=True),
    "paged_": Optimizer(_BITSANDBYTES, paged=True),
    "rmsprop_": Optimizer(_BITSANDBYTES),
    "schedule_free_": Optimizer(("schedulefree", "schedulefree"), constant=True),
    "stable_adamw": Optimizer(("torch-optimi", "optimi")),
}
_LAYERWISE = "_layerwise"


def optimizer_of(name: str) -> Optimizer:
    """The traits of an optimizer, by the first beginning that fits; of others those of a plain one."""
    found = next((o for start, o in _BY_START.items() if name.startswith(start)), Optimizer())
    if name.endswith(_LAYERWISE):
        return replace(found, layerwise=True, groups=False, resumes=False)
    return found


def optimizer_names() -> tuple[str, ...]:
    """Every name that `training.optim` takes."""
    return (*(str(name) for name in values("transformers:OptimizerNames")), MUON)
