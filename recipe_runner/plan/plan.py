"""The plan: everything a run does, as data. Workers run from it and read nothing else.

All paths in a plan are absolute, or relative to the working directory of the launch.
Every field that a recipe exposes is written here, even where it equals the upstream
default, because upstream defaults change between releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recipe_runner.plan.call import Call
from recipe_runner.plan.cost import CostPlan
from recipe_runner.plan.data import DataPlan, Feed
from recipe_runner.plan.launch import LaunchPlan, MachinePlan
from recipe_runner.plan.optimizer import OptimizerPlan
from recipe_runner.plan.parameters import ParameterPlan
from recipe_runner.plan.reward import RewardPlan
from recipe_runner.plan.speed import SpeedPlan
from recipe_runner.plan.trainable import TrainableParts

VERSION = 1

Task = Literal["causal_lm", "image_text_to_text", "sequence_classification", "token_classification"]
"""What a model is loaded for."""


@dataclass(frozen=True)
class Derived:
    """A value that the recipe left open, and why it became what it is."""

    path: str
    value: Any
    because: str


@dataclass(frozen=True)
class Requirement:
    """A package that the run needs: its pip name, its import name, and who asks for it.

    `versions` are those that will do (">=1.16,<1.17"), None for any.
    """

    package: str
    module: str
    because: str
    versions: str | None = None


@dataclass(frozen=True)
class BaseAdapterPlan:
    """An adapter that belongs to the base of a run. `path` is the folder of its weights.

    With `merge` it becomes part of the base's weights in memory, else it stays beneath the
    adapter that trains, frozen and active.
    """

    path: str
    merge: bool = True


@dataclass(frozen=True)
class ModelPlan:
    """The model to load, or to build from its configuration with random weights.

    `auto_class` is such as "transformers:AutoModelForCausalLM"; `load` holds the keyword
    arguments of `from_pretrained` (revision, dtype, attn_implementation, ...), and for
    `random_init` those of `from_config` with the same names. `freeze` and
    `trainable_parameters` are regular expressions on parameter names, and `trainable` are
    parts that train beside what the latter find.
    """

    name_or_path: str
    auto_class: str
    load: Mapping[str, Any]
    local: bool = False
    random_init: bool = False
    config_overrides: Mapping[str, Any] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    trainable_parameters: tuple[str, ...] = ()
    trainable: TrainableParts | None = None
    adapter: BaseAdapterPlan | None = None

    @property
    def judges(self) -> bool:
        """True where the model gives numbers, and no words."""
        return self.auto_class.endswith("Classification")

    @property
    def sees(self) -> bool:
        """True where the model takes images, and a processor beside the tokenizer."""
        return self.auto_class.endswith(":AutoModelForImageTextToText")


@dataclass(frozen=True)
class OtherModelPlan:
    """A model beside the one that trains, by the argument of the trainer that takes it.

    `role` is such as "ref_model", "teacher_model", or "rewards.0" for one that judges.
    """

    role: str
    model: ModelPlan


@dataclass(frozen=True)
class TokenizerPlan:
    """The tokenizer and what is changed on it before training.

    `chat_template` is the text of a template that replaces the tokenizer's own, None
    to keep that; `chat_template_source` says where it comes from.
    """

    name_or_path: str
    load: Mapping[str, Any]
    special_tokens: Mapping[str, str] = field(default_factory=dict)
    add_tokens: tuple[str, ...] = ()
    resize_embeddings_multiple_of: int | None = None
    chat_template: str | None = None
    chat_template_source: str = "tokenizer"
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    padding_side: str = "right"


@dataclass(frozen=True)
class StepsPlan:
    """How sequences become optimizer steps.

    `global_batch_size` = `per_device` x `accumulation` x `processes`, in sequences per
    optimizer step. `per_epoch` and `total` count optimizer steps, None where the
    number of rows is not known before the run.
    """

    global_batch_size: int
    per_device: int
    accumulation: int
    processes: int
    per_epoch: int | None
    total: int | None


@dataclass(frozen=True)
class ScorePlan:
    """Greedy answers to evaluation rows, compared with the expected text, before and after."""

    rows: int
    max_new_tokens: int
    batch_size: int
    show: int


@dataclass(frozen=True)
class MonitorPlan:
    """What may stop a run early.

    `early_stopping_patience` counts evaluations without improvement by more than
    `early_stopping_threshold`. The watchdog stops when the loss stays above
    `loss_watchdog_threshold` for `loss_watchdog_patience` logged steps. A loss that is
    not finite always stops the run.
    """

    early_stopping_patience: int | None = None
    early_stopping_threshold: float = 0.0
    loss_watchdog_threshold: float | None = None
    loss_watchdog_patience: int = 3
    score: ScorePlan | None = None


@dataclass(frozen=True)
class OutputFile:
    """A file or folder that the run writes, relative to the run directory."""

    path: str
    what: str


@dataclass(frozen=True)
class AdapterStart:
    """What an adapter begins with besides its configuration.

    `rows` of the training data are looked at before the first step. With `changes_base` the
    start takes something out of the base's weights, which a saved adapter has to make good.
    `weights` is the folder of a saved adapter that is trained further.
    """

    rows: int = 0
    changes_base: bool = False
    weights: str | None = None


@dataclass(frozen=True)
class OutputPlan:
    """The run directory and what ends up in it."""

    run_dir: str
    files: tuple[OutputFile, ...]
    max_shard_size: str = "5GB"


@dataclass(frozen=True)
class Plan:
    """One run, complete. `recipe_sha256` is of the recipe's text as written.

    `golden` is the file of the golden rows beside the recipe, None where there is none.
    `feed` is the form in which the trainer takes examples, `models` are loaded beside the
    one that trains, `rewards` judge its answers. `parameters` and `cost` are None where the
    model is not known before it is loaded.
    """

    name: str
    recipe_path: str
    recipe_sha256: str
    algorithm: str
    seed: int
    model: ModelPlan
    tokenizer: TokenizerPlan
    data: DataPlan
    trainer: Call
    arguments: Call
    steps: StepsPlan
    monitor: MonitorPlan
    launch: LaunchPlan
    machine: MachinePlan
    outputs: OutputPlan
    quantization: Call | None = None
    adapter: Call | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    requires: tuple[Requirement, ...] = ()
    derived: tuple[Derived, ...] = ()
    golden: str | None = None
    feed: Feed = "sequences"
    models: tuple[OtherModelPlan, ...] = ()
    rewards: tuple[RewardPlan, ...] = ()
    adapter_start: AdapterStart | None = None
    parameters: ParameterPlan | None = None
    optimizer: OptimizerPlan | None = None
    speed: SpeedPlan = field(default_factory=SpeedPlan)
    cost: CostPlan | None = None
    version: int = VERSION
