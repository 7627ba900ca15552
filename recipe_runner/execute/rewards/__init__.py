"""What judges the answers of a run, as functions that the trainers call, and the log of them."""

from recipe_runner.execute.rewards.build import build_rewards
from recipe_runner.execute.rewards.completions import CompletionsLog

__all__ = ["CompletionsLog", "build_rewards"]
