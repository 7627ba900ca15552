"""What a recipe's surroundings are: its data, its model, its output folder. No torch, no network."""

from recipe_runner.survey.survey import Surroundings, survey

__all__ = ["Surroundings", "survey"]
