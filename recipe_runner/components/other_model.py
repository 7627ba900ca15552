"""A model beside the one that trains: a reference, a teacher, a judge."""

from typing import Annotated, Literal

from pydantic import Field

from recipe_runner.components.base import OrAuto, Shorthand, Spec


class OtherModel(Spec):
    """A model that does not train: a hub id or a folder. A bare text is `name_or_path`."""

    name_or_path: Annotated[str, Field(min_length=1)]
    """Hub id, or folder relative to the recipe file."""
    revision: str | None = None
    """Branch, tag or commit of the hub repository; pin a commit so that the recipe stays reproducible."""
    dtype: OrAuto[Literal["bfloat16", "float16", "float32"]] = "auto"
    """Type of its weights; `auto` is the type of the computation, since it only answers."""


OtherModelField = Annotated[OtherModel, Shorthand("name_or_path")]
"""A field that takes a text or a mapping."""
