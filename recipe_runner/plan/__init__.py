"""The plan and its canonical JSON. Imports the standard library only."""

from recipe_runner.plan.call import Call
from recipe_runner.plan.codec import PlanFormatError, decode, digest, encode, to_json
from recipe_runner.plan.data import (
    DataPlan,
    DeduplicatePlan,
    FormatPlan,
    LossPlan,
    Overlong,
    RowPolicy,
    Shape,
    SourcePlan,
    TruncationMode,
)
from recipe_runner.plan.launch import LaunchPlan, MachinePlan
from recipe_runner.plan.plan import (
    VERSION,
    Derived,
    ModelPlan,
    MonitorPlan,
    OutputFile,
    OutputPlan,
    Plan,
    Requirement,
    ScorePlan,
    StepsPlan,
    TokenizerPlan,
)

__all__ = [
    "VERSION",
    "Call",
    "DataPlan",
    "DeduplicatePlan",
    "Derived",
    "FormatPlan",
    "LaunchPlan",
    "LossPlan",
    "MachinePlan",
    "ModelPlan",
    "MonitorPlan",
    "OutputFile",
    "OutputPlan",
    "Overlong",
    "Plan",
    "PlanFormatError",
    "Requirement",
    "RowPolicy",
    "ScorePlan",
    "Shape",
    "SourcePlan",
    "StepsPlan",
    "TokenizerPlan",
    "TruncationMode",
    "decode",
    "digest",
    "encode",
    "to_json",
]
