"""Quantizations that run on a CPU do, and the others say before loading what they lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.quantizations.table import Case, cases, run, wide_model
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return tiny_model(folder / "model"), wide_model(folder / "wide")


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case.name))
def test_a_quantization_works_or_says_what_it_lacks(
    case: Case, models: tuple[Path, Path], tmp_path: Path
) -> None:
    result = run(case, tmp_path, *models)
    if not case.options and case.type in ("bnb_4bit", "bnb_8bit", "quanto", "torchao"):
        assert result.works, str(result)
    else:
        assert result.works or result.said.startswith(("RR356", "RR357", "RR358", "RR601")), str(
            result
        )
