"""A machine by its name."""

from __future__ import annotations

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.diagnostics import DiagnosticError


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
