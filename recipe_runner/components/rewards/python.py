"""A function of your own."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue

from recipe_runner.components.reward import Reward, Text, unusable

_TRAINERS_OWN = ("prompts", "completions", "completion_ids")


def _others(kwargs: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for name in _TRAINERS_OWN:
        if name in kwargs:
            raise unusable(f"has `{name}`, which the trainer fills")
    return kwargs


class Python(Reward):
    """What a function in a Python file of your own returns for each answer.

    Use it where no other reward fits. The function has TRL's form,
    `f(prompts, completions, **columns) -> list[float]`: a batch of answers comes at once,
    prompts and completions are texts or lists of messages, each column of the rows is a list,
    `completion_ids` are tokens, and one finite number per answer goes back. The file may import
    installed packages, and no files beside it.

    A recipe can only ask for it: the person who starts the run allows it with `--allow-code`,
    for the file as it is.
    """

    type: Literal["python"]
    path: Text
    """Python file, relative to the recipe's folder."""
    function: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
    """Function in it."""
    kwargs: Annotated[dict[str, JsonValue], AfterValidator(_others)] = Field(default_factory=dict)
    """More arguments, the same at each call; they go before columns of the same name."""

    snippet: ClassVar[str] = "rewards: {type: python, path: rewards.py, function: politeness}"

    @property
    def code(self) -> tuple[str, str]:
        return self.path, self.function
