"""The benchmarks run, and what they compare is the same training; times are never asserted."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import assets, gpu, measure, packing, train
from benchmarks.compared import differences, summary
from benchmarks.environment import ROOT, environment
from benchmarks.flops import flops_per_token, multiplied, nominal
from benchmarks.jobs import LLAMA_8B
from benchmarks.jobs import Job as SpeedJob
from benchmarks.machine import gpus
from benchmarks.peer import litgpt, torchtune
from benchmarks.peers import version_of
from benchmarks.results import Budget, Failed, Impossible, Options
from benchmarks.train import ARMS, Job, Run


@pytest.mark.runs
@pytest.mark.slow
def test_a_recipe_trains_to_the_losses_of_a_plain_trl_script(tmp_path: Path) -> None:
    made = assets.make(tmp_path / "assets", 40)
    job = Job("lora", made.model, made.chats(40), steps=3)

    runs = train.compare(job, tmp_path / "train")

    assert [(run.arm, run.cached, len(run.losses)) for run in runs] == [
        (arm, cached, 2 if cached else 3) for cached in (False, True) for arm in ARMS
    ]
    assert train.summary(runs, "lora")["largest_loss_difference"] <= train.TOLERANCE
    train.report(runs, tmp_path / "results")
    assert (tmp_path / "results/train.jsonl").read_text().count("\n") == 1 + len(runs) + 1


def test_losses_that_differ_fail_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="lora: the losses differ by"):
        train.report(
            [
                _run(arm, cached, [8.0, 7.5 + (0.001 if arm == "recipe_runner" else 0)])
                for arm in ARMS
                for cached in (False, True)
            ],
            tmp_path,
        )


def test_packs_that_train_otherwise_fail_the_benchmark(tmp_path: Path) -> None:
    runs = [
        {"arm": arm, "repeat": 0, "steps": 2, "real_tokens": 100, "seconds": 1, "cpu_seconds": cpu}
        for arm, cpu in ((packing.BASELINE, 2.0), ("packed, 4 packs", 0.5))
    ]
    parity = {"documents": 4, "packs": 2, "fill": 0.9, "compared_tokens": 96}
    packing.report([*runs, {**parity, "largest_loss_difference": 9e-6}], tmp_path)
    assert '"packed, 4 packs": 4.0' in (tmp_path / "packing.jsonl").read_text(encoding="utf-8")
    with pytest.raises(Failed, match=r"losses in packs differ by 2\.0e-05"):
        packing.report([*runs, {**parity, "largest_loss_difference": 2e-5}], tmp_path)


@pytest.mark.parametrize(
    ("losses", "gradients", "told"),
    [
        ([8.0, 7.5], [1.0, 1.0], []),
        ([8.0, 7.5001], [1.0, 1.0], ["losses"]),
        ([8.0, 7.5], [1.0, 1.001], ["gradients"]),
        ([8.0, math.nan], [1.0, 1.0], ["losses"]),
        # One that ended early is compared as far as it came.
        ([8.0], [1.0], []),
    ],
)
def test_arms_with_the_same_rows_must_train_alike(
    losses: list[float], gradients: list[float], told: list[str]
) -> None:
    rows = [_speed("raw", [8.0, 7.5], [1.0, 1.0]), _speed("ours", losses, gradients)]
    found = differences([summary(rows, "raw")])
    assert [name for name in ("losses", "gradients") if any(name in each for each in found)] == told


def test_arms_are_compared_with_those_whose_weights_have_the_same_type() -> None:
    rows = [
        _speed("raw", [8.0], [1.0]),
        {**_speed("half", [8.01], [1.0]), "weights": "bfloat16"},
        {**_speed("ours", [8.0101], [1.0]), "weights": "bfloat16"},
    ]
    assert differences([summary(rows, "raw")]) == []


def test_operations_of_an_8b_model_are_those_worked_out_by_hand() -> None:
    """7.504e9 weights are multiplied with; 4 for each, 6 for an adapter's 0.042e9, and attention."""
    job = SpeedJob("lora", "sft", LLAMA_8B, 1, adapter=True)
    assert multiplied(LLAMA_8B) == pytest.approx(7.504e9, rel=1e-3)
    assert flops_per_token(job, 4096) == pytest.approx(34.0e9, rel=5e-3)
    assert nominal("NVIDIA H100 80GB HBM3") == 989e12
    assert nominal("a card that nobody knows") is None


def test_without_a_gpu_there_is_one_clear_line(tmp_path: Path) -> None:
    if gpus():
        pytest.skip("there is a GPU")
    with pytest.raises(Impossible, match="there is no GPU on this machine"):
        gpu.bench(Options(tmp_path, tmp_path))
    program = [sys.executable, "-m", "benchmarks", "gpu", "--work", str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout.count("there is no GPU")) == (2, 1)


def test_turns_end_with_the_time_and_there_is_always_one(tmp_path: Path) -> None:
    assert list(Budget(Options(tmp_path, tmp_path, repeats=3)).turns()) == [0, 1, 2]
    assert list(Budget(Options(tmp_path, tmp_path, repeats=3, seconds=-1)).turns()) == [0]


def test_marks_are_put_at_the_lines_that_count(tmp_path: Path) -> None:
    lines = ["Step 1 | loss:8.3", "noise", "Step 2 | loss:8.2", "Step 3 | loss:8.1"]
    program = "import sys, time\nfor line in sys.argv[1:]: print(line); time.sleep(0.2)"
    log = tmp_path / "log"
    done = measure.run(
        [sys.executable, "-u", "-c", program, *lines],
        log=log,
        environment=environment(tmp_path),
        watch=log,
        marks=(1, 3),
        pattern=torchtune.PEER.step,
    )
    assert sorted(done.marks) == [1, 3]
    assert done.marks[3].wall - done.marks[1].wall > 0.3


def test_a_tool_is_known_by_the_python_it_is_installed_for() -> None:
    assert version_of("pydantic", Path(sys.executable)) is not None
    assert version_of("no-such-tool", Path(sys.executable)) is None
    printed = "Epoch 1 | iter 2 step 2 | loss train: 8.356, val: n/a | iter time: 9.50 ms (step)"
    assert re.findall(litgpt.PEER.step, printed) == ["8.356"]


def _speed(arm: str, losses: list[float], gradients: list[float]) -> dict[str, Any]:
    return {
        "repeat": 0,
        "job": "full",
        "arm": arm,
        "precision": "no",
        "weights": "float32",
        "same_rows": True,
        "steps": len(losses),
        "device_seconds": 1.0,
        "first_step_seconds": 1.0,
        "real_tokens": 100,
        "padded_tokens": 200,
        "peak_mib": {"allocated": 1.0},
        "losses": losses,
        "gradient_norms": gradients,
    }


def _run(arm: str, cached: bool, losses: list[float]) -> Run:
    return Run(
        method="lora",
        arm=arm,
        cached=cached,
        repeat=0,
        first_step=1.0,
        first_step_cpu=1.0,
        tokens_per_second=1.0,
        tokens_per_cpu_second=1.0,
        peak_rss=1.0,
        wall=1.0,
        cpu=1.0,
        losses=losses,
    )
