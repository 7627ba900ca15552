"""The axis of levers: what makes a run fast without changing what it learns.

A lever judges a situation, and says whether it is used and why. It imports nothing of what
it speeds up: `execute/speed` has a file of the same name that does it.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from recipe_runner.components.base import Component
from recipe_runner.components.packages import Package
from recipe_runner.plan import Feed
from recipe_runner.plan.joined import has_experts
from recipe_runner.plan.speed import State


@dataclass(frozen=True)
class Situation:
    """What a lever looks at: a resolved recipe in the words that matter for speed.

    `kind` is that of the machine, `quantized` the type of the quantization, `adapter` the PEFT
    type, "" without one, and `dropout` what it drops of its inputs. `config` is the model's
    `config.json`, empty where it is not known before a download.
    `attention` is what the recipe names, None where it leaves the choice. `without_padding` is
    True where another lever takes padding out, which is judged before. `totals` is True
    where the loss is a sum over all tokens of an optimizer step, divided once, so that it does
    not matter which rows share a forward pass. `reads_head` is True where the trainer asks the
    model for the probabilities of labels. `reads_batch` names a quantization in which the rows of
    a batch bear on each other, or an adapter. `noise` is True where noise is added to the
    embeddings, `draws` where the adapter draws numbers for each token. `in_segments` is True where
    documents in one row are kept apart by our attention, also without a lever. `packages` are the
    optional ones of this machine, None where the plan is for another one. `made_by` names a lever
    that makes the model, and `fused_by` one that fuses its layers; both are judged before.
    `compiles_layers` is True where another lever compiles them, which is judged before too.
    """

    cpu: bool
    cpus: int
    kind: str
    precision: str
    processes: int
    shards_weights: bool
    feed: Feed
    totals: bool
    reads_head: bool
    generates_in_batches: bool
    joins_rows: bool
    drop_last: bool
    sees: bool
    micro_batch: int
    accumulation: int
    torch_compile: bool
    threads: int | None
    logging_steps: int
    attention: str | None = None
    without_padding: bool = False
    adapter: str = ""
    virtual_tokens: bool = False
    reads_places: bool = False
    low_rank: bool = False
    draws: bool = False
    noise: bool = False
    dropout: float = 0.0
    reads_batch: str | None = None
    quantized: str | None = None
    in_segments: bool = False
    packages: Mapping[str, Package] | None = None
    made_by: str = ""
    fused_by: str = ""
    compiles_layers: bool = False
    algorithm: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text_config(self) -> Mapping[str, Any]:
        """The part of the configuration that is about text."""
        found: Mapping[str, Any] = self.config.get("text_config") or self.config
        return found

    @property
    def drops(self) -> str:
        """What to say of dropout in the model or the adapter, "" where there is none."""
        config = self.text_config
        drawn = (
            self.dropout
            or self.draws
            or any(
                isinstance(value, float) and value > 0
                for name, value in config.items()
                if name.endswith(("dropout", "_pdrop"))
            )
        )
        return "; dropout draws other numbers than in padded batches" if drawn else ""

    @property
    def head_size(self) -> int | None:
        """The numbers in a head of attention, None where the configuration does not tell."""
        config = self.text_config
        heads, hidden = config.get("num_attention_heads"), config.get("hidden_size")
        worked_out = hidden // heads if hidden and heads else None
        return config.get("head_dim") or worked_out

    def lacks(self, *names: str) -> str:
        """Why none of these packages can be used, "" where one can be or nobody knows."""
        if self.packages is None:
            return ""
        found = [self.packages[name] for name in names if name in self.packages]
        if not found:
            first = f"none of {', '.join(names)} is" if len(names) > 1 else f"{names[0]} is not"
            return f"{first} installed"
        return "" if any(not each.clash for each in found) else found[0].clash

    def has(self, *names: str) -> str:
        """What to say of the first of these packages that can be used."""
        if self.packages is None:
            return f"if {' or '.join(names)} is installed there"
        fits = (name for name in names if name in self.packages and not self.packages[name].clash)
        return next((f"{name} {self.packages[name].version} is installed" for name in fits), "")

    @property
    def has_experts(self) -> bool:
        """True where the layers choose among experts."""
        return has_experts(self.config)

    @property
    def grows_rope(self) -> bool:
        """True where positions are turned by an amount that the longest row of a pass decides."""
        for key in ("rope_parameters", "rope_scaling"):
            rope = self.text_config.get(key) or {}
            if rope.get("rope_type", rope.get("type")) in ("longrope", "dynamic"):
                return True
        return False


@dataclass(frozen=True)
class Verdict:
    """What becomes of a lever, and why. With `asks` it is used where the recipe says `on`."""

    state: State
    because: str
    asks: bool = False


def applied(because: str) -> Verdict:
    """The lever is used."""
    return Verdict("applied", because)


def refused(because: str) -> Verdict:
    """The lever would help, and cannot be used."""
    return Verdict("refused", because)


def asked_for(because: str) -> Verdict:
    """The lever changes numbers here, so it is used on request only."""
    return Verdict("refused", because, asks=True)


def not_needed(because: str) -> Verdict:
    """There is nothing for the lever to do."""
    return Verdict("not needed", because)


class Lever(Component):
    """A way to compute the same in less time or memory.

    What `auto` uses is exact: losses and gradients are those of plain TRL up to the order in
    which numbers are summed up. What changes numbers wants the recipe's word, or is proposed by
    the plan.
    `gain` is what was measured, with its conditions. `joins` is True where rows are joined before
    the layers, `regroups` where the rows of a step are shared out anew, `counts_cores` where it
    sets the threads of the process, `keeps_inputs` where adapters keep inputs as they are.
    `seconds_to_begin` is what it takes before it helps. `packages` are those that it looks for,
    `makes_model` is True where another library makes the model, `fuses_layers` where the layers
    compute in kernels of fewer passes: one such lever is used. `keeps_less` is True where norms,
    gates and LoRA keep less for the backward pass, `compiles_layers` where layers are compiled,
    `scores_once` where the loss has its gradient as soon as it is computed.
    Where a lever wants the recipe's word, `is_proposed` says whether the plan may propose it.
    """

    gain: ClassVar[str] = ""
    joins: ClassVar[bool] = False
    regroups: ClassVar[bool] = False
    counts_cores: ClassVar[bool] = False
    keeps_inputs: ClassVar[bool] = False
    seconds_to_begin: ClassVar[float] = 0
    packages: ClassVar[tuple[str, ...]] = ()
    makes_model: ClassVar[bool] = False
    fuses_layers: ClassVar[bool] = False
    keeps_less: ClassVar[bool] = False
    compiles_layers: ClassVar[bool] = False
    scores_once: ClassVar[bool] = False
    is_proposed: ClassVar[bool] = True

    @abstractmethod
    def judge(self, situation: Situation) -> Verdict:
        """Whether the lever is used where the recipe does not say."""
