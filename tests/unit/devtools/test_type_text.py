from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from enum import Enum

import pytest

from recipe_runner.devtools.upstream_snapshots import type_text


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (typing.Any, "Any"),
        (Colour, "Colour"),
        ("Optional[dict]", "Optional[dict]"),
        (typing.Optional[str], "str | None"),  # noqa: UP045 the older spelling is the case
        (str | None, "str | None"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (typing.Literal["O1", "O2"], "Literal['O1', 'O2']"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Iterable[int], "Iterable[int]"),
        (Callable, "Callable"),
        (Callable[[int, str], None], "Callable[[int, str], None]"),
        (list["torch.Tensor"], "list[torch.Tensor]"),  # type: ignore[name-defined]  # noqa: F821
        (typing.List["torch.Tensor"], "list[Tensor]"),  # type: ignore[name-defined]  # noqa: F821, UP006
    ],
)
def test_a_type_is_written_as_in_source(annotation: object, text: str) -> None:
    assert type_text(annotation) == text
