"""Plans of runs with images, written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recipe_runner.plan import Plan
from tests.runs.train.by_hand import plan_for
from tests.tiny_vision import colour_chats

ARGUMENTS: Mapping[str, Any] = {"max_length": 128, "learning_rate": 3e-3}


def vision_plan(
    model: Path, folder: Path, *, arguments: Mapping[str, Any] | None = None, **changes: Any
) -> Plan:
    """A plan that trains `model` on the colours of pictures in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "chat.jsonl").exists():
        colour_chats(folder)
    plan = plan_for(model, folder, arguments={**ARGUMENTS, **(arguments or {})}, **changes)
    sees = replace(plan.model, auto_class="transformers:AutoModelForImageTextToText")
    return replace(plan, model=sees)


def written(folder: Path, *conversations: Any) -> Path:
    """Rows of these conversations, as the data of a plan in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"messages": messages}) for messages in conversations]
    (folder / "chat.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
