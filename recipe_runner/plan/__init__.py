"""The plan and its canonical JSON. Imports the standard library only."""

from recipe_runner.plan.call import Call
from recipe_runner.plan.codec import PlanFormatError, decode, digest, encode, to_json
from recipe_runner.plan.cost import CostPlan, MemoryPlan, TracedPlan
from recipe_runner.plan.data import (
    DataPlan,
    DeduplicatePlan,
    Feed,
    FormatPlan,
    LossPlan,
    Overlong,
    RowPolicy,
    Shape,
    SourcePlan,
    StepLoss,
    TruncationMode,
)
from recipe_runner.plan.launch import LaunchPlan, MachinePlan
from recipe_runner.plan.optimizer import OptimizerPlan, RateGroup
from recipe_runner.plan.parameters import ParameterPlan, TrainedGroup
from recipe_runner.plan.plan import (
    VERSION,
    AdapterStart,
    BaseAdapterPlan,
    Derived,
    ModelPlan,
    MonitorPlan,
    OtherModelPlan,
    OutputFile,
    OutputPlan,
    Plan,
    Requirement,
    ScorePlan,
    StepsPlan,
    Task,
    TokenizerPlan,
)
from recipe_runner.plan.reward import RewardPlan
from recipe_runner.plan.speed import LeverPlan, Proposal, SpeedPlan
from recipe_runner.plan.trainable import TrainableParts

__all__ = [
    "VERSION",
    "AdapterStart",
    "BaseAdapterPlan",
    "Call",
    "CostPlan",
    "DataPlan",
    "DeduplicatePlan",
    "Derived",
    "Feed",
    "FormatPlan",
    "LaunchPlan",
    "LeverPlan",
    "LossPlan",
    "MachinePlan",
    "MemoryPlan",
    "ModelPlan",
    "MonitorPlan",
    "OptimizerPlan",
    "OtherModelPlan",
    "OutputFile",
    "OutputPlan",
    "Overlong",
    "ParameterPlan",
    "Plan",
    "PlanFormatError",
    "Proposal",
    "RateGroup",
    "Requirement",
    "RewardPlan",
    "RowPolicy",
    "ScorePlan",
    "Shape",
    "SourcePlan",
    "SpeedPlan",
    "StepLoss",
    "StepsPlan",
    "Task",
    "TokenizerPlan",
    "TracedPlan",
    "TrainableParts",
    "TrainedGroup",
    "TruncationMode",
    "decode",
    "digest",
    "encode",
    "to_json",
]
