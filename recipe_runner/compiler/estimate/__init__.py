"""What a model consists of and what of it trains, from its configuration alone."""

from recipe_runner.compiler.estimate.architecture import Architecture, Module
from recipe_runner.compiler.estimate.families import modules_of

__all__ = ["Architecture", "Module", "modules_of"]
