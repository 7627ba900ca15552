"""A merge holds a layer in memory, and not the model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.runs.merge.shaken import adapted_run, decoder

pytestmark = pytest.mark.runs

_MERGE = """
import sys
from pathlib import Path
import peft, torch, transformers
from recipe_runner.execute.finished import open_run
from recipe_runner.execute.merge import Wish, merge

def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024

before = status("VmRSS:")
merge(open_run(Path(sys.argv[1])), Wish(), told=print, meter=lambda done, total: None)
print(status("VmHWM:") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_the_peak_does_not_grow_with_the_model(tmp_path: Path) -> None:
    # Code that is loaded on the way is in both peaks, and how much that is depends on the machine.
    small, large = (_merged(tmp_path / str(layers), layers) for layers in (4, 16))
    assert large.size > small.size + 200 * 2**20
    assert large.peak - small.peak < 0.4 * (large.size - small.size)


class _Merged(NamedTuple):
    """The bytes of a model's weights, and what its merge added to the memory of the process."""

    size: int
    peak: int


def _merged(path: Path, layers: int) -> _Merged:
    base = decoder(
        path / "base",
        dtype="bfloat16",
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=layers,
        num_attention_heads=8,
        head_dim=128,
    )
    finished = adapted_run(path / "here", base, dtype="bfloat16")
    done = subprocess.run(
        [sys.executable, "-c", _MERGE, str(finished.run.path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return _Merged(
        size=(base / "model.safetensors").stat().st_size,
        peak=int(done.stdout.splitlines()[-1]),
    )
