"""The benchmarks run, and what they compare is the same training; times are never asserted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import assets, packing, train
from benchmarks.results import Failed
from benchmarks.train import ARMS, Job, Run


@pytest.mark.runs
@pytest.mark.slow
def test_a_recipe_trains_to_the_losses_of_a_plain_trl_script(tmp_path: Path) -> None:
    made = assets.make(tmp_path / "assets", 40)
    job = Job("lora", made.model, made.chats(40), steps=3)

    runs = train.compare(job, tmp_path / "train", repeats=1)

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
