"""Code that comes with another model is told where the model is named, and never run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.workshop import Workshop, recipe, workshop

OWN = {"model_type": "own", "auto_map": {"AutoConfig": "conf.OwnConfig"}}
PLAIN = {"model_type": "llama"}
TOKENIZER = {"auto_map": {"AutoTokenizer": ["conf.OwnTokenizer", None]}}
DPO = {"data.train": "data/preference.jsonl"}
GRPO = {"data.train": "data/prompts.jsonl", "algorithm": "grpo"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A folder with a model that has code of its own, one whose tokenizer has, and a plain one."""
    made = workshop(tmp_path_factory.mktemp("trust"))
    for name, config, tokenizer in (
        ("evil", OWN, {}),
        ("sly", PLAIN, TOKENIZER),
        ("plain", PLAIN | {"auto_map": {}}, {}),
    ):
        folder = made.folder / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
        (folder / "conf.py").write_text("raise SystemExit(f'{__name__} was run')", encoding="utf-8")
    return made


def judge(model: Any) -> dict[str, Any]:
    return GRPO | {"rewards": {"type": "model", "model": model}}


CASES = {
    "a reference": (DPO | {"algorithm": {"type": "dpo", "ref_model": "evil"}}, "config.json"),
    "a mapping": (
        DPO | {"algorithm": {"type": "dpo", "ref_model": {"name_or_path": "evil"}}},
        "config.json",
    ),
    "a teacher": ({"algorithm": {"type": "gkd", "teacher_model": "evil"}}, "config.json"),
    "a judge": (judge("evil"), "config.json"),
    "a judge in a mapping": (judge({"name_or_path": "evil"}), "config.json"),
    "its tokenizer": (judge("sly"), "tokenizer_config.json"),
}


@pytest.mark.parametrize(("changes", "file"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("allow_code", [False, True])
def test_code_of_another_model_is_refused_at_its_name(
    changes: dict[str, Any], file: str, allow_code: bool, own: Workshop
) -> None:
    text = json.dumps(recipe(changes), indent=1)
    report = own.compile_text(text, allow_code=allow_code).report
    (found,) = [each for each in report if each.code.id == "RR379"]
    assert found.severity == "error"
    assert f"`{file}` has an `auto_map`" in found.message
    assert found.place.span is not None
    line = text.splitlines()[found.place.span.start.line - 1]
    assert line[found.place.span.start.column - 1 :].startswith(('"evil"', '"sly"', "{"))


@pytest.mark.parametrize(
    "changes",
    [
        DPO | {"algorithm": {"type": "dpo", "ref_model": "plain"}},
        DPO | {"algorithm": {"type": "dpo", "ref_model": "org/evil"}},
        judge("plain"),
    ],
)
def test_models_without_code_are_loaded_without_asking(
    changes: dict[str, Any], own: Workshop
) -> None:
    (other,) = own.plan(recipe(changes)).models
    assert other.model.load["trust_remote_code"] is False


def test_the_model_that_trains_may_have_code_that_is_allowed(own: Workshop) -> None:
    changes = {"model": {"name_or_path": "evil", "trust_remote_code": True}}
    codes = own.codes(recipe(changes))
    assert "RR325" in codes
    assert "RR379" not in codes
