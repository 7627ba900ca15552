"""Writes the JSON Schemas of recipes, plans and reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recipe_runner.devtools.typed_schema import schema_of
from recipe_runner.diagnostics.render.as_json import ReportJson
from recipe_runner.plan import VERSION, Plan
from recipe_runner.recipe.json_schema import json_schema

FOLDERS = (Path("schemas"),)


def artefacts() -> dict[Path, str]:
    """The three schemas by their path."""
    plan = schema_of(
        Plan,
        f"urn:recipe-runner:schema:plan-v{VERSION}",
        f"recipe_runner plan, version {VERSION}",
    )
    report = schema_of(
        ReportJson, "urn:recipe-runner:schema:report-v1", "recipe_runner report, version 1"
    )
    return {
        FOLDERS[0] / "recipe-v1.schema.json": _text(json_schema()),
        FOLDERS[0] / f"plan-v{VERSION}.schema.json": _text(plan),
        FOLDERS[0] / "report-v1.schema.json": _text(report),
    }


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
