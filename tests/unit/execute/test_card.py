"""The model card: what it states, and what it keeps to itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.card import Facts, card, facts_of, license_in, result_of
from recipe_runner.syntax import parse
from tests.finished import RECIPE, finished_run, local_base
from tests.workshop import Workshop, recipe


def front(text: str) -> dict[str, Any]:
    """The front matter as YAML."""
    _, block, _ = text.split("---\n", 2)
    document, findings = parse(block, "README.md")
    assert document is not None, findings
    return dict(document.value)


FACTS = Facts(recipe=RECIPE, metrics={"loss": 0.5}, versions={"torch": "2.13.0"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"adapter": "lora"},
            {
                "library_name": "peft",
                "base_model": "org/model-id",
                "base_model_relation": "adapter",
            },
            id="adapter",
        ),
        pytest.param(
            {}, {"library_name": "transformers", "base_model_relation": "finetune"}, id="full"
        ),
        pytest.param(
            {
                "data.train": {"path": "org/chats", "revision": "v2", "format": "messages"},
                "training.max_steps": 5,
            },
            {"datasets": ["org/chats"]},
            id="data-of-the-hub",
        ),
        pytest.param(
            {"tags": ["words"]}, {"tags": ["trl", "sft", "recipe-runner", "words"]}, id="tags"
        ),
        pytest.param({}, {"pipeline_tag": "text-generation"}, id="task"),
    ],
)
def test_front_matter_says_what_the_hub_reads(
    changes: dict[str, Any], expected: dict[str, Any], shop: Workshop
) -> None:
    plan = shop.plan(recipe(changes))
    stated = front(card(plan, FACTS, result_of(plan)))
    assert {key: stated.get(key) for key in expected} == expected


def test_a_license_is_that_of_the_base(shop: Workshop, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("---\ntags: [a]\nlicense: apache-2.0\n---\n\nlicense: none\n", "utf-8")
    assert license_in(readme) == "apache-2.0"
    readme.write_text("# A model\n\nlicense: mit\n", "utf-8")
    assert license_in(readme) is None
    assert license_in(tmp_path / "missing") is None
    plan = shop.plan(recipe())
    stated = front(card(plan, Facts(RECIPE, {}, license="mit"), result_of(plan)))
    assert stated["license"] == "mit"


def test_a_finished_run_tells_results_data_and_hardware(shop: Workshop, tmp_path: Path) -> None:
    sources = {"train": [{"path": "data/chat.jsonl"}], "eval": [{"path": "data/eval.jsonl"}]}
    plan = shop.plan(recipe(name="tiny", data=sources))
    run = finished_run(tmp_path / "run", plan)
    receipt = {"content": "c0ffee", "sources": [{"rows": 1234}, {"rows": 10}]}
    run.data_file.write_text(json.dumps(receipt), encoding="utf-8")
    text = card(plan, facts_of(run, plan), result_of(plan))
    assert "| eval_loss | 0.75 |" in text
    assert "| exact match on 20 held-out rows, after training | 90.0% |" in text
    assert "| `data/chat.jsonl` | training |  | 1,234 |" in text
    assert "| `data/eval.jsonl` | evaluation |  | 10 |" in text
    assert "`c0ffee`" in text
    assert "on CPU, 1 process." in text


def test_paths_of_this_machine_stay_out(shop: Workshop, tmp_path: Path) -> None:
    base, data = local_base(tmp_path), shop.folder / "data" / "chat.jsonl"
    plan = shop.plan(recipe({"model": str(base), "data.train": str(data)}))
    text = card(plan, FACTS, result_of(plan))
    assert "the local model `tiny`" in text
    assert "| `chat.jsonl` | training |" in text
    assert str(shop.folder) not in text
    assert str(tmp_path) not in text
    assert "base_model" not in front(text)


def test_a_fence_is_longer_than_those_in_the_recipe(shop: Workshop) -> None:
    plan = shop.plan(recipe())
    text = card(plan, Facts("# ````\nrecipe: 1\n", {}), result_of(plan))
    assert "\n`````yaml\n" in text
