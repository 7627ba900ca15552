"""The recipe: the root of the schema, version 1."""

from typing import Annotated, Literal

from pydantic import Field

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import OneOf, OneOrMany, Shorthand, Spec, Strings
from recipe_runner.components.quantization import Quantization
from recipe_runner.components.reward import Reward
from recipe_runner.components.tracker import Tracker
from recipe_runner.recipe.sections import Data, Hub, Launch, Model, Score, Tokenizer
from recipe_runner.recipe.speed import Speed
from recipe_runner.recipe.training import Training

SCHEMA_VERSION = 1

Trackers = Annotated[
    tuple[Annotated[Tracker, OneOf("recipe_runner.components.trackers")], ...],
    Field(strict=False),
    OneOrMany(),
]

Rewards = Annotated[
    tuple[Annotated[Reward, OneOf("recipe_runner.components.rewards")], ...],
    Field(strict=False),
    OneOrMany(),
]


class Recipe(Spec):
    """A fine-tuning run in one file: which model, which data, which algorithm, how to run."""

    recipe: Literal[1]
    """Version of the schema."""
    name: str | None = None
    """Name of the run; null is the name of the file."""
    description: str = ""
    """What the run is for; goes into the model card."""
    tags: Strings = ()
    """Words to find the run by; go into the model card."""
    model: Annotated[Model, Shorthand("name_or_path")]
    """Which model is trained."""
    tokenizer: Annotated[Tokenizer, Shorthand("name_or_path")] = Tokenizer()
    """The tokenizer and its chat template."""
    quantization: (
        Annotated[Quantization, OneOf("recipe_runner.components.quantizations")] | None
    ) = None
    """The base model in fewer bits; null leaves it as it is."""
    adapter: Annotated[Adapter, OneOf("recipe_runner.components.adapters")] | None = None
    """Train a small set of parameters beside the model; null trains the model in full."""
    data: Data
    """What the model learns from."""
    algorithm: Annotated[Algorithm, OneOf("recipe_runner.components.algorithms")]
    """How it learns."""
    rewards: Rewards = ()
    """What judges the model's own answers, for algorithms that learn from them: one, or a list that is summed."""
    training: Training = Training()
    """Optimization, evaluation, saving and logging."""
    speed: Annotated[Speed, Shorthand("levers")] = Speed()
    """What makes the run fast without changing what it learns."""
    score: Score | None = None
    """Answer evaluation rows before and after training and count the exact matches."""
    launch: Launch = Launch()
    """How the run is spread over processes and machines."""
    tracking: Trackers = ()
    """Services that receive the metrics, besides the run directory's own file."""
    hub: Annotated[Hub, Shorthand("hub_model_id")] | None = None
    """Upload the result to the Hugging Face hub."""
    output_dir: Annotated[str, Field(min_length=1)]
    """The run directory, relative to the working directory."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of everything random."""
