"""The machine is described from what the system says, without torch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipe_runner.execute.probe import cpu_count, memory_bytes, this_machine

SMI = """#!/bin/sh
echo '0, GPU-aaa, NVIDIA H100 80GB HBM3, 81559, 9.0'
echo '1, GPU-bbb, NVIDIA H100 80GB HBM3, 81559, 9.0'
echo '2, GPU-ccc, Tesla T4, 15360, 7.5'
"""


@pytest.fixture
def with_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture(autouse=True)
def cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Linux says of the CPUs: they have no bfloat16, until a test writes more."""
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nflags : fpu avx2\n", encoding="ascii")
    monkeypatch.setattr("recipe_runner.execute.probe._CPUS", file)
    return file


@pytest.mark.parametrize(
    ("flags", "bf16"), [("avx2 avx512f", False), ("avx512_bf16", True), ("fpu amx_bf16", True)]
)
def test_bfloat16_of_a_cpu(
    flags: str, bf16: bool, cpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cpus.write_text(f"flags : {flags}\n", encoding="ascii")
    assert this_machine().bf16 is bf16


def test_machine_without_nvidia_smi_has_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = this_machine()
    assert (machine.kind, machine.accelerators, machine.bf16) == ("cpu", 0, False)
    assert 1 <= machine.cpus <= (os.cpu_count() or 1)
    assert machine.memory_gib > 0


@pytest.mark.parametrize(
    ("visible", "kind", "count", "bf16"),
    [
        (None, "H100 80GB HBM3", 3, True),
        ("2", "Tesla T4", 1, False),
        ("1,0", "H100 80GB HBM3", 2, True),
        ("GPU-ccc", "Tesla T4", 1, False),
        ("0,9,1", "H100 80GB HBM3", 1, True),
        ("", "cpu", 0, False),
    ],
    ids=["all", "index", "two", "uuid", "stops-at-unknown", "none"],
)
@pytest.mark.usefixtures("with_gpus")
def test_gpus_that_cuda_would_show_count(
    visible: str | None, kind: str, count: int, bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    machine = this_machine()
    assert (machine.kind, machine.accelerators, machine.bf16) == (kind, count, bf16)


def test_limits_are_at_most_those_of_the_machine() -> None:
    assert cpu_count() <= (os.cpu_count() or 1)
    assert memory_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
