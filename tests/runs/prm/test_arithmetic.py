"""A judge learns sums from labelled steps, and its data are what they say."""

from __future__ import annotations

import operator
import runpy
from pathlib import Path

import pytest

from tests.runs.prm.arithmetic import ROOT, STEPS, examples_of, show

pytestmark = pytest.mark.runs

SIGNS = {"+": operator.add, "-": operator.sub}


def test_half_of_the_steps_are_right_and_labels_are_those_of_the_sums(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "examples" / "process-reward" / "make_data.py"))["main"](tmp_path)
    chains = set()
    for name, count in (("train", 8000), ("held_out", 400)):
        examples = examples_of(tmp_path / f"{name}.jsonl")
        assert len(examples) == count
        labels: list[int | bool] = []
        for example in examples:
            chains.add((example["prompt"], *example["completions"]))
            now = int(example["prompt"].removeprefix("From ").removesuffix(".\n"))  # type: ignore[union-attr]
            for step, label in zip(example["completions"], example["labels"], strict=True):
                start, sign, change, _, result = step.split()
                assert int(start) == now
                assert (SIGNS[sign](now, int(change)) == int(result)) is label
                now = int(result)
            labels += example["labels"]
        assert labels.count(True) * 2 == len(labels) == 4 * count
    assert len(chains) == 8400


@pytest.mark.slow
def test_held_out_chains_are_judged_far_better_than_by_guessing(tmp_path: Path) -> None:
    shown = show(tmp_path, STEPS)
    assert shown.before.steps == pytest.approx(0.5, abs=0.1)
    # To look whether a number grew as the sign says is right two times in three.
    assert shown.after.steps > 0.85
    assert min(shown.after.positions) > 0.8
    assert shown.evaluation["eval_accuracy"] == pytest.approx(shown.after.steps, abs=1e-3)
    assert shown.evaluation["eval_answer_accuracy"] == pytest.approx(shown.after.chains, abs=3e-3)
