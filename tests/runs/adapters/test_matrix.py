"""Adapters train, reload in plain PEFT, and merge: those that want more of us than a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.adapters.matrix import LORA, SMALL, Case, run
from tests.tiny import tiny_model

pytestmark = [pytest.mark.runs, pytest.mark.slow]

VARIANTS = ("PiSSA, fast SVD", "OLoRA", "EVA", "CorDA", "LoRA-GA", "aLoRA")
TYPES = ("adalora", "ia3", "ln_tuning", "oft", "prompt_tuning", "vera")
CASES = [
    *(Case(name, "", SMALL.get(name, {})) for name in TYPES),
    *(Case("lora", variant, {"r": 4, **LORA[variant]}) for variant in VARIANTS),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_an_adapter_works(case: Case, model: Path, tmp_path: Path) -> None:
    result = run(case, tmp_path, model)
    assert result.works, str(result)
