"""The committed snapshots say what the installed libraries accept.

The generator reads dataclass fields; these tests read signatures and build objects.
"""

from __future__ import annotations

import enum
import inspect
import json
from importlib import metadata

import pytest

from recipe_runner import upstream
from recipe_runner.devtools.upstream_snapshots import CLASSES, ENUMERATIONS, class_at

pytestmark = pytest.mark.runs

CLASS_TARGETS = [
    f"{package}.{name}" if ":" in name else f"{package}:{name}"
    for package, names in CLASSES.items()
    for name in names
    # What these take depends on whether the package that they speak of is installed.
    if name not in ("CompressedTensorsConfig", "TorchAoConfig")
]
ENUMERATION_TARGETS = [
    f"{package}:{name}" for package, names in ENUMERATIONS.items() for name in names
]


def upstream_object(target: str) -> type:
    module, _, name = target.partition(":")
    package, _, inner = module.partition(".")
    key = f"{inner}:{name}" if inner else name
    return class_at((CLASSES[package] | ENUMERATIONS[package])[key], key)


def test_snapshots_are_of_the_installed_versions() -> None:
    assert upstream.versions() == {name: metadata.version(name) for name in CLASSES}


@pytest.mark.parametrize("target", CLASS_TARGETS)
def test_fields_are_the_parameters_of_the_class(target: str) -> None:
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    signature = inspect.signature(upstream_object(target))
    parameters = [p for p in signature.parameters.values() if p.kind not in variadic]

    fields = upstream.fields(target)

    assert list(fields) == [parameter.name for parameter in parameters]
    assert [name for name, field in fields.items() if field.required] == [
        parameter.name for parameter in parameters if parameter.default is parameter.empty
    ]


@pytest.mark.parametrize("target", CLASS_TARGETS)
def test_plain_defaults_are_those_of_the_signature(target: str) -> None:
    fields = upstream.fields(target)
    compared = 0
    for parameter in inspect.signature(upstream_object(target)).parameters.values():
        default = parameter.default
        if isinstance(default, enum.Enum):
            default = default.value
        if default is None or isinstance(default, bool | int | float | str):
            assert json.dumps(fields[parameter.name].default) == json.dumps(default)
            compared += 1
    # A few parameters have no default, a factory (shown as an object) or a tuple.
    assert compared >= len(fields) - 6


@pytest.mark.parametrize("target", ENUMERATION_TARGETS)
def test_values_are_the_members_that_the_enumeration_accepts(target: str) -> None:
    enumeration = upstream_object(target)
    assert issubclass(enumeration, enum.Enum)
    values = upstream.values(target)
    assert len(values) == len(enumeration)
    assert [enumeration(value).value for value in values] == list(values)


def test_deprecated_fields_are_marked() -> None:
    fields = upstream.fields("trl:SFTConfig")
    # Their help texts in TRL 1.16 say so, in different places; the one of `max_length` does not.
    assert fields["use_liger_kernel"].deprecated
    assert fields["pad_token"].deprecated
    assert not fields["max_length"].deprecated
