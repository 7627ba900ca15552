"""Field descriptions: the string under each field, read from the source when needed.

Pydantic can read them while a class is made, but that costs every start of the
command; only help texts, pages and the JSON Schema want them.
"""

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel


@cache
def _docs_of_file(path: str) -> Mapping[str, Mapping[str, str]]:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return {node.name: _docs_of_class(node) for node in classes}


def _docs_of_class(node: ast.ClassDef) -> Mapping[str, str]:
    docs: dict[str, str] = {}
    for field, following in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            docs[field.target.id] = inspect.cleandoc(following.value.value)
    return docs


@cache
def field_docs(model: type[BaseModel]) -> Mapping[str, str]:
    """The description of each field of `model`, its own and the inherited ones."""
    docs: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base.__module__.startswith("recipe_runner"):
            docs |= _docs_of_file(inspect.getfile(base)).get(base.__name__, {})
    if "type" in model.model_fields:
        docs.setdefault("type", "Which one.")
    return docs
