"""What the upstream libraries accept: fields, defaults and values of their classes.

The snapshots beside this file are generated from the installed packages and committed,
so a recipe is checked against TRL, PEFT, transformers and accelerate without importing
them. A target is written as in a plan, "trl:SFTConfig". Imports the standard library only.
"""

from recipe_runner.upstream.snapshot import (
    JsonValue,
    UpstreamField,
    fields,
    targets,
    usual_modules,
    values,
    versions,
)

__all__ = ["JsonValue", "UpstreamField", "fields", "targets", "usual_modules", "values", "versions"]
