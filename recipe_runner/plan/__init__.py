"""The plan and its canonical JSON. Imports the standard library only."""

from recipe_runner.plan.call import Call
from recipe_runner.plan.codec import PlanFormatError, decode, digest, encode, to_json
from recipe_runner.plan.data import (
    DataPlan,
    FormatPlan,
    LossOn,
    OnBadRow,
    Overlong,
    Shape,
    SourcePlan,
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
    "Derived",
    "FormatPlan",
    "LaunchPlan",
    "LossOn",
    "MachinePlan",
    "ModelPlan",
    "MonitorPlan",
    "OnBadRow",
    "OutputFile",
    "OutputPlan",
    "Overlong",
    "Plan",
    "PlanFormatError",
    "Requirement",
    "ScorePlan",
    "Shape",
    "SourcePlan",
    "StepsPlan",
    "TokenizerPlan",
    "decode",
    "digest",
    "encode",
    "to_json",
]
