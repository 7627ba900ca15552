"""The axis of levers: what makes a run fast without changing what it learns.

A lever judges a situation, and says whether it is used and why. It imports nothing of what
it speeds up: `execute/speed` has a file of the same name that does it.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from recipe_runner.components.base import Component
from recipe_runner.plan import Feed
from recipe_runner.plan.joined import has_experts
from recipe_runner.plan.speed import State


@dataclass(frozen=True)
class Situation:
    """What a lever looks at: a resolved recipe in the words that matter for speed.

    `config` is the model's `config.json`, empty where it is not known before a download.
    `attention` is what the recipe names, None where it leaves the choice. `without_padding` is
    True where another lever takes padding out, which is judged before. `totals` is True
    where the loss is a sum over all tokens of an optimizer step, divided once, so that it does
    not matter which rows share a forward pass. `reads_head` is True where the trainer asks the
    model for the probabilities of labels. `reads_batch` names a quantization in which the rows of
    a batch bear on each other, or an adapter. `noise` is True where noise is added to the
    embeddings, `draws` where the adapter draws numbers for each token. `adapter` is the PEFT type, "" without one, and
    `dropout` what it drops of its inputs.
    """

    cpu: bool
    cpus: int
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
    """

    gain: ClassVar[str] = ""
    joins: ClassVar[bool] = False
    regroups: ClassVar[bool] = False
    counts_cores: ClassVar[bool] = False
    keeps_inputs: ClassVar[bool] = False

    @abstractmethod
    def judge(self, situation: Situation) -> Verdict:
        """Whether the lever is used where the recipe does not say."""
