"""`recipe-run calibrate` writes a file that `plan` takes, and keeps what a person added."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipe_runner.cli.machines import machine_at
from recipe_runner.execute.calibrate import copies, products

pytestmark = pytest.mark.runs

Done = subprocess.CompletedProcess[str]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "recipe_runner", "calibrate", *arguments]


def environment(folder: Path) -> dict[str, str]:
    hidden = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return {**os.environ, **hidden, "RECIPE_RUNNER_CACHE": str(folder / "cache")}


def calibrate(folder: Path, *arguments: str) -> Done:
    return subprocess.run(
        command("--seconds", "0.1", *arguments),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_measured_is_kept_with_what_a_person_added(tmp_path: Path) -> None:
    done = calibrate(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    [path] = (tmp_path / "cache" / "machines").iterdir()
    assert done.stdout.startswith("measuring ")
    assert f"wrote {path}\n" in done.stdout
    found = machine_at(str(path))
    assert (found.kind, found.accelerators) == ("cpu", 0)
    assert set(found.flops) == {"float32", "bfloat16"}
    # Between an old laptop's core and a server's.
    assert 1e8 < found.flops["float32"] < 1e13
    assert found.bandwidth is not None
    assert 1e8 < found.bandwidth < 1e13

    added = path.read_text(encoding="utf-8") + "watts: 65\nprice_per_hour: 2\ncurrency: EUR\n"
    path.write_text(added, encoding="utf-8")
    assert calibrate(tmp_path).returncode == 0
    again = machine_at(str(path))
    assert (again.watts, again.price_per_hour, again.currency) == (65.0, 2.0, "EUR")


def test_json_is_the_content_and_nothing_else(tmp_path: Path) -> None:
    done = calibrate(tmp_path, "--json", "--output", "machine.yaml")
    content = json.loads(done.stdout)
    assert content["file"] == "machine.yaml"
    assert content["measured"]["threads"] == 1
    found = machine_at(str(tmp_path / "machine.yaml"))
    assert content["rates"] == found.flops
    assert not (tmp_path / "cache").exists()


def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "machine.yaml").write_text("version: 9\n", encoding="utf-8")
    done = calibrate(tmp_path, "--output", "machine.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "RR417" in done.stderr
    assert (tmp_path / "machine.yaml").read_text(encoding="utf-8") == "version: 9\n"


def test_ctrl_c_writes_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--seconds", "600", "--output", "machine.yaml"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("measuring ")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.strip()) == (130, "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_rates_are_operations_and_bytes_over_the_fastest_time() -> None:
    ticks = iter(range(1000))

    def clock() -> float:
        """Every measurement takes one second."""
        return float(next(ticks))

    # Products of 512 x 512: a second is long enough, so none of larger matrices is made.
    assert products("cpu", "float32", 0, clock) == 2 * 512**3
    assert copies("cpu", 0, clock) == 2 * 2**28
