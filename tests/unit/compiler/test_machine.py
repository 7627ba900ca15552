"""A machine by its name, and by its file."""

from __future__ import annotations

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.compiler.machine_file import machine_in
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.plan import MachinePlan
from recipe_runner.syntax import parse


@pytest.mark.parametrize(
    ("name", "kind", "accelerators", "memory", "bf16"),
    [
        pytest.param("cpu", "cpu", 0, 64.0, False, id="cpu"),
        pytest.param("8xH100-80GB", "H100", 8, 80.0, True, id="eight"),
        pytest.param("H100", "H100", 1, 80.0, True, id="memory known"),
        pytest.param("A100-40GB", "A100", 1, 40.0, True, id="other memory"),
        pytest.param("8xh100-80gb", "H100", 8, 80.0, True, id="lower case"),
        pytest.param("2xT4", "T4", 2, 16.0, False, id="before Ampere"),
        pytest.param("4xXYZ1-12GB", "XYZ1", 4, 12.0, True, id="unknown kind with memory"),
    ],
)
def test_names_of_machines(
    name: str, kind: str, accelerators: int, memory: float, bf16: bool
) -> None:
    found = machine(name)
    assert (found.kind, found.accelerators, found.memory_gib) == (kind, accelerators, memory)
    assert found.bf16 is bf16
    assert found.source == name


def test_a_cpu_machine_may_say_its_cores() -> None:
    assert machine("cpu-16").cpus == 16


@pytest.mark.parametrize("name", ["eight H100", "", "0xH100", "XYZ1", "8x", "H100-80"])
def test_other_words_are_no_machines(name: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        machine(name)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR415"]


FILE = """\
version: 1
machine: {kind: H100, accelerators: 8, memory_gib: 79.6, cpus: 128, bf16: true}
rates: {float32: 5.1e+13, bfloat16: 7.4e+14}
bandwidth: 2.8e+12
watts: 6500
price_per_hour: 24
currency: USD
"""


def written(text: str) -> MachinePlan:
    document, findings = parse(text, "machine.yaml")
    assert document is not None, findings
    return machine_in(document)


def test_a_file_tells_what_was_measured() -> None:
    found = written(FILE)
    assert (found.kind, found.accelerators, found.cpus, found.bf16) == ("H100", 8, 128, True)
    assert found.memory_known
    assert found.source == "machine.yaml"
    assert found.flops == {"float32": 5.1e13, "bfloat16": 7.4e14}
    assert (found.bandwidth, found.watts, found.price_per_hour) == (2.8e12, 6500.0, 24.0)
    assert found.currency == "USD"


def test_what_was_not_measured_may_be_left_out() -> None:
    found = written("".join(FILE.splitlines(keepends=True)[:2]))
    assert (found.flops, found.bandwidth, found.watts, found.currency) == ({}, None, None, None)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        pytest.param("version: 1", "version: 2", (1, 10), "`version` is 1", id="version"),
        pytest.param("version: 1\n", "", (1, 1), "`version` is missing", id="no version"),
        pytest.param("cpus: 128, ", "", (2, 10), "`cpus` is missing", id="missing"),
        pytest.param("cpus: 128", "cpus: two", (2, 64), "whole number above 0", id="type"),
        pytest.param("true}", "1}", (2, 75), "`bf16` is true or false", id="boolean"),
        pytest.param("watts: 6500", "wats: 6500", (5, 1), "`wats` is unknown", id="unknown"),
        pytest.param("watts: 6500", "watts: -1", (5, 8), "a number above 0", id="negative"),
        pytest.param("float32:", "float31:", (3, 9), "`float31` is unknown", id="type of rate"),
        pytest.param("currency: USD\n", "", (6, 17), "no `currency`", id="currency"),
    ],
)
def test_faults_of_a_file_have_a_place(
    old: str, new: str, place: tuple[int, int], said: str
) -> None:
    with pytest.raises(DiagnosticError) as caught:
        written(FILE.replace(old, new))
    [finding] = caught.value.diagnostics
    start = finding.place.span.start
    assert finding.code.id == "RR417"
    assert said in finding.message
    assert (start.line, start.column) == place
