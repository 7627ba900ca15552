"""A tiny model on disk, shared by the tests of a session, and fresh folders for runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))
