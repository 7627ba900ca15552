"""A machine by its file: what it has, what was measured on it, what it draws and costs.

`recipe-run calibrate` writes such files, and a person may write one too:

    version: 1
    machine: {kind: H100, accelerators: 8, memory_gib: 79.6, cpus: 128, bf16: true}
    rates: {float32: 5.1e+13, bfloat16: 7.4e+14}
    bandwidth: 2.8e+12
    watts: 6500
    price_per_hour: 24
    currency: USD

Rates are operations per second of one device, or of all cores of a CPU, and the bandwidth is bytes
per second that it reads and writes. Watts and price are those of the whole machine.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from recipe_runner.compiler.codes import MALFORMED_MACHINE
from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.plan import MachinePlan
from recipe_runner.syntax import Document

VERSION = 1

Path = tuple[str | int, ...]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e30


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_NUMBER = (_is_number, "a number above 0")
_TEXT = (lambda value: isinstance(value, str) and bool(value.strip()), "a text")
_COUNT = (_is_count, "a whole number, 0 or more")
_MAPPING = (lambda value: isinstance(value, dict), "a mapping")

Form = tuple[Callable[[Any], bool], str]
_ROOT: Mapping[str, Form] = {
    "version": (lambda value: value == VERSION and value is not True, f"{VERSION}"),
    "machine": _MAPPING,
    "rates": _MAPPING,
    "bandwidth": _NUMBER,
    "watts": _NUMBER,
    "price_per_hour": _NUMBER,
    "currency": _TEXT,
    "measured": _MAPPING,
}
_MACHINE: Mapping[str, Form] = {
    "kind": _TEXT,
    "accelerators": _COUNT,
    "memory_gib": _NUMBER,
    "cpus": (lambda value: _is_count(value) and value > 0, "a whole number above 0"),
    "bf16": (lambda value: isinstance(value, bool), "true or false"),
}
_RATES: Mapping[str, Form] = dict.fromkeys(("float32", "bfloat16", "tfloat32"), _NUMBER)


def machine_in(document: Document) -> MachinePlan:
    """The machine that a file describes. Raises `DiagnosticError` with RR417 for all its faults."""
    if found := tuple(_faults(document)):
        raise DiagnosticError(*found)
    value = document.value
    return MachinePlan(
        **{name: value["machine"][name] for name in _MACHINE if name != "memory_gib"},
        memory_gib=float(value["machine"]["memory_gib"]),
        source=document.path,
        flops={name: float(rate) for name, rate in value.get("rates", {}).items()},
        bandwidth=_float(value.get("bandwidth")),
        watts=_float(value.get("watts")),
        price_per_hour=_float(value.get("price_per_hour")),
        currency=value.get("currency"),
    )


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _faults(document: Document) -> Iterator[Diagnostic]:
    value = document.value
    yield from _of_section(document, (), value, _ROOT, required=("version", "machine"))
    if isinstance(machine := value.get("machine"), dict):
        yield from _of_section(document, ("machine",), machine, _MACHINE, required=tuple(_MACHINE))
    if isinstance(rates := value.get("rates"), dict):
        yield from _of_section(document, ("rates",), rates, _RATES)
    if "price_per_hour" in value and "currency" not in value:
        help_ = "add such as `currency: EUR`"
        yield _fault(document, ("price_per_hour",), "the price has no `currency`", help_)


def _of_section(
    document: Document,
    path: Path,
    value: Mapping[str, Any],
    forms: Mapping[str, Form],
    required: tuple[str, ...] = (),
) -> Iterator[Diagnostic]:
    known = ", ".join(forms)
    for name in required:
        if name not in value:
            yield _fault(document, path, f"`{name}` is missing", f"there are {known}")
    for name, each in value.items():
        if name not in forms:
            near = get_close_matches(str(name), forms, n=1)
            help_ = f"did you mean `{near[0]}`?" if near else f"there are {known}"
            yield _fault(document, (*path, name), f"`{name}` is unknown", help_, of_key=True)
            continue
        fits, words = forms[name]
        if not fits(each):
            help_ = "`recipe-run calibrate` writes such a file"
            yield _fault(document, (*path, name), f"`{name}` is {words}", help_)


def _fault(
    document: Document, path: Path, message: str, help_: str, *, of_key: bool = False
) -> Diagnostic:
    return Diagnostic(MALFORMED_MACHINE, message, document.place(path, of_key=of_key), help_)
