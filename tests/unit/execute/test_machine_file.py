"""The file that `calibrate` writes: it is read back, and each machine has its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.compiler.machine_file import machine_in
from recipe_runner.execute import machine_file
from recipe_runner.execute.machine_file import described, place_of, text_of
from recipe_runner.plan import MachinePlan
from recipe_runner.syntax import parse

MEASURED = replace(
    machine("2xH100-80GB"),
    flops={"float32": 5.12345e13, "bfloat16": 7.4e14},
    bandwidth=2.8e12,
)


def read(text: str) -> MachinePlan:
    document, findings = parse(text, "machine.yaml")
    assert document is not None, findings
    return machine_in(document)


@pytest.mark.parametrize(
    "known", [{}, {"watts": 65.0}, {"watts": 65.0, "price_per_hour": 0.5, "currency": "EUR"}]
)
def test_what_is_written_is_read(known: dict[str, object]) -> None:
    wanted = replace(MEASURED, source="machine.yaml", **known)  # type: ignore[arg-type]
    found = read(text_of(described(wanted, {"at": "2026-01-01", "threads": 2})))
    # Four digits are more than a measurement has.
    assert found == replace(wanted, flops={"float32": 5.123e13, "bfloat16": 7.4e14})


def test_a_person_sees_what_may_be_added() -> None:
    text = text_of(described(MEASURED, {}))
    added = text.replace("# watts", "watts").replace("# price", "price").replace("# curr", "curr")
    assert read(added).currency == "EUR"


def test_machines_have_files_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", str(tmp_path))
    monkeypatch.setattr(machine_file, "processor", lambda: "Some CPU @ 2.0 GHz")
    names = {place_of(machine(name)).name for name in ("cpu-2", "cpu-4", "H100", "2xH100", "A100")}
    assert names == {
        "cpu-2-some-cpu-2-0-ghz.yaml",
        "cpu-4-some-cpu-2-0-ghz.yaml",
        "1x-h100-8.yaml",
        "2x-h100-16.yaml",
        "1x-a100-8.yaml",
    }
    assert place_of(machine("H100")).parent == tmp_path / "machines"
