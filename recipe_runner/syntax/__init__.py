"""YAML 1.2 text becomes a Document: plain values and the place of every key and value."""

from recipe_runner.syntax.document import Document, NodeSpans, Path, dotted
from recipe_runner.syntax.overrides import with_overrides
from recipe_runner.syntax.parse import parse
from recipe_runner.syntax.read import read

__all__ = ["Document", "NodeSpans", "Path", "dotted", "parse", "read", "with_overrides"]
