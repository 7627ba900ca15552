"""Every algorithm takes optimizer steps from a recipe, in full and with LoRA."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.runs.algorithms.matrix import ALGORITHMS, Case, run
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return tiny_model(folder / "model"), tiny_model(folder / "teacher", seed=1)


@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_trains(
    algorithm: str, adapter: bool, models: tuple[Path, Path], tmp_path: Path
) -> None:
    result = run(Case(algorithm, {}, adapter), tmp_path, *models)
    if algorithm == "server_distillation":
        # Its teacher is a server of vLLM, which wants a GPU.
        assert find_spec("vllm") or result.said.startswith("RR601 vllm is not installed")
        return
    assert result.trained, str(result)
