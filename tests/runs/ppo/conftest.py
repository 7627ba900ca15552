"""The toy's model, once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.ppo import toy


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.policy(tmp_path_factory.mktemp("toy"))
