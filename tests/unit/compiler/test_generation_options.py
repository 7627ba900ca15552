"""The names of options of generation are those of the transformers that is installed."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from recipe_runner.components.generation import BATCHING_OPTIONS, TRANSFORMERS_OPTIONS, Cache

transformers = pytest.importorskip("transformers")

OBJECTS = {"compile_config", "continuous_batching_config", "varlen_compile_config"} | {
    "decode_compile_config"
}
"""Options that take an object, which a recipe cannot hold."""

PASSED = {"disable_compile"}
"""What TRL passes beside the options of a recipe, so that it cannot be given twice."""


def test_options_of_generation_are_those_of_transformers() -> None:
    names = {name for name in vars(transformers.GenerationConfig()) if not name.startswith("_")}
    assert names - OBJECTS - PASSED - {"transformers_version"} == TRANSFORMERS_OPTIONS


def test_options_of_continuous_batching_are_those_of_transformers() -> None:
    from transformers.generation import ContinuousBatchingConfig

    names = {field.name for field in dataclasses.fields(ContinuousBatchingConfig)}
    assert names - OBJECTS == BATCHING_OPTIONS


def test_caches_are_those_that_transformers_does_not_call_deprecated() -> None:
    from transformers.generation import configuration_utils as upstream

    names = {*upstream.STATIC_CACHE_IMPLEMENTATIONS, *upstream.DYNAMIC_CACHE_IMPLEMENTATIONS}
    # Its backend is a package of its own, for which there is no diagnostic.
    assert set(get_args(Cache)) == names - {"quantized"}
