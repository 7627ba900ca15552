"""What is an error of an algorithm because TRL's configuration refuses it is refused by TRL as well."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest

from recipe_runner.components.base import discover
from tests.unit.components.test_answering_algorithms import CASES, FOLDER, OUT_OF_RANGE, build

pytestmark = pytest.mark.runs

REFUSED = (
    "one of two weights",
    "a server without address",
    "iw_opd is on-policy",
    "iw_opd takes drawn tokens",
    "iw_opd needs the model as it is",
    "a server tells few tokens",
    "a server tells one token",
    "a server tells no token of ours",
    "more tokens for one",
    "a template without the hint",
    "one drawn token",
    "sdpo: one drawn token",
)
"""Cases that are errors because TRL's configuration refuses them."""


def configure(kind: str, options: Mapping[str, Any], **more: Any) -> Any:
    """TRL's configuration with these options."""
    upstream = str(discover(FOLDER)[kind].upstream)
    module, _, name = upstream.partition(":")
    arguments = {**build(kind, {}).arguments(), **options}
    arguments = {name: value for name, value in arguments.items() if name != "teacher_model"}
    of_run = {"use_cpu": True, "bf16": False, "output_dir": "out", "per_device_train_batch_size": 8}
    return getattr(importlib.import_module(module), name)(**of_run, **arguments, **more)


@pytest.mark.parametrize("name", REFUSED)
def test_upstream_refuses_it_too(name: str) -> None:
    kind, options, _ = CASES[name]
    configure(kind, {})
    with pytest.raises(ValueError):  # noqa: PT011 - each of them says something else
        configure(kind, options)


@pytest.mark.parametrize(("kind", "options"), OUT_OF_RANGE)
def test_upstream_refuses_the_value_too(kind: str, options: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each of them says something else
        configure(kind, options)
