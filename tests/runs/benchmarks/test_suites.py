"""The suites for a GPU run on a CPU when they are small: the same functions, the same parity."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu, suites
from benchmarks.arms import Bench
from benchmarks.compared import differences, summary
from benchmarks.jobs import JOBS, OURS, Arm
from benchmarks.results import Failed, Options

pytestmark = pytest.mark.runs


def _lines(name: str, tiny_llama: Path, folder: Path, seconds: float = 600) -> Iterator[Any]:
    until = time.monotonic() + seconds
    place = suites.Place("cpu", tiny_llama, folder, tiny=True, seconds=seconds, until=until)
    for line in suites.SUITES[name].run(place):
        # As it comes back from the process that runs them.
        yield json.loads(json.dumps({"suite": name, **line}))


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("h0", []),
        ("h4", ["raw TRL, defaults", OURS, suites.TUNED, "ours, off"]),
        ("h6", [suites.TUNED, OURS, "ours, off"]),
    ],
)
def test_a_suite_runs_small_and_its_arms_train_alike(
    name: str, arms: list[str], tiny_llama: Path, tmp_path: Path
) -> None:
    lines = list(_lines(name, tiny_llama, tmp_path))
    assert [line["arm"] for line in lines if "arm" in line] == arms
    gpu.report(lines, [], Options(tmp_path, tmp_path / "results", device="cpu", tiny=True))
    written = (tmp_path / "results/gpu.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(written) == 1 + len(lines) + bool(arms)
    for line in lines:
        assert line.get("real_tokens", 1) > 0
        assert line.get("tflops", 1) > 0


def test_arms_that_come_too_late_are_named_and_left_out(tiny_llama: Path, tmp_path: Path) -> None:
    lines = list(_lines("h4", tiny_llama, tmp_path, seconds=0))
    left = [line["arm"] for line in lines if "left_out" in line]
    assert left == ["raw TRL, defaults", OURS, suites.TUNED, "ours, off"]


def test_answers_that_are_there_train_alike_in_all_arms(tiny_llama: Path, tmp_path: Path) -> None:
    """GRPO's losses say little, since they begin at the mean of the advantages: gradients do."""
    [job] = [suites.small(job) for job in JOBS if job.name == "grpo"]
    bench = Bench(replace(job, micro=job.answers), tmp_path, tiny_llama)
    arms = [Arm("raw", "raw"), Arm("ours", "off", speed="off"), Arm("ours", "auto")]
    found = summary([{"repeat": 0, **bench.run(arm)} for arm in arms], "raw")
    assert differences([found]) == []
    for arm in found["arms"].values():
        assert arm["gradients_apart"] < 1e-5


def test_a_suite_that_ends_the_process_is_told(tmp_path: Path) -> None:
    options = Options(tmp_path, tmp_path / "results", device="cpu", tiny=True)
    with pytest.raises(Failed, match="h3 ended the process: out of luck"):
        gpu.report([], ["h3 ended the process: out of luck"], options)
