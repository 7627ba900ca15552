"""The committed generated files are what the code says."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from recipe_runner.devtools import generate

# Modules that read the training libraries; the others run without them.
NEED_TRAINING_LIBRARIES = {"upstream_snapshots"}


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(name, marks=pytest.mark.runs if name in NEED_TRAINING_LIBRARIES else ())
        for name in generate.MODULES
    ],
)
def test_generated_files_are_up_to_date(module: str) -> None:
    result = CliRunner().invoke(generate.main, ["--check", "--only", module])
    assert result.exit_code == 0, result.output
    assert "skipped" not in result.output
