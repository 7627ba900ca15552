"""What algorithms that imitate another model have in common: the teacher, what it is told, sample rows."""

import string
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

from recipe_runner.components.algorithm import Conflict
from recipe_runner.components.base import OWN, Spec
from recipe_runner.components.other_model import OtherModel, OtherModelField

TEACHER_MANAGED = frozenset(
    {"teacher_model_name_or_path", "teacher_model_revision", "teacher_model_init_kwargs"}
)
"""Arguments that say what `teacher_model` of a recipe says."""

ANSWERED_ROWS: tuple[Mapping[str, Any], ...] = (
    {"prompt": "2 + 2 =", "completion": " 4"},
    {
        "prompt": [{"role": "user", "content": "Which planet is red?"}],
        "completion": [{"role": "assistant", "content": "Mars."}],
    },
    {
        "messages": [
            {"role": "system", "content": "Answer in one word."},
            {"role": "user", "content": "Is 91 prime?"},
            {"role": "assistant", "content": "No."},
        ]
    },
)
"""A text with its answer, messages with theirs, and a conversation that ends with the answer."""


class Taught(Spec):
    """A model that learns from another one, which stays as it is."""

    teacher_model: Annotated[OtherModelField, OWN]
    """The model to imitate: a hub id, or a folder relative to the recipe file."""

    def models(self) -> Mapping[str, OtherModel]:
        """The teacher."""
        return {"teacher_model": self.teacher_model}

    @property
    def shares_vocabulary(self) -> bool:
        """Each token's probability is compared with the teacher's."""
        return True


def template_conflicts(
    field: str, template: str, wanted: Collection[str], known: Collection[str]
) -> Iterator[Conflict]:
    """What is wrong with a text that upstream fills in with `str.format`.

    `wanted` are names that have to stand in it in braces, `known` those that may.
    """
    try:
        parsed = [part for part in string.Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        message = f"`algorithm.{field}` cannot be filled in: {error}"
        yield Conflict(field, message, "write a brace that is meant as one twice: {{ or }}")
        return
    for _, name, spec, conversion in parsed:
        # A width asks for as much memory as it says, and most others fail on a text.
        if spec or conversion:
            message = f"`algorithm.{field}` formats {{{name}}} with more than its name"
            yield Conflict(field, message, f"write {{{name}}} alone: a text goes in as it is")
            return
    names = {str(name) for _, name, _, _ in parsed}
    for name in sorted(names - set(known)):
        message = f"`algorithm.{field}` asks for {{{name}}}, which nothing fills in"
        names_known = ", ".join(f"{{{each}}}" for each in sorted(known))
        help_text = f"use {names_known}, and write a brace that is meant as one twice"
        yield Conflict(field, message, help_text)
    missing = [name for name in sorted(wanted) if name not in names]
    if missing:
        absent = " and ".join(f"{{{name}}}" for name in missing)
        yield Conflict(field, f"`algorithm.{field}` lacks {absent}", "name it in the text")
