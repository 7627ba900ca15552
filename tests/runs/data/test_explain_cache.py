"""Why prepared data were found, or what the nearest entry was made of instead."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.data import key, prepare
from recipe_runner.execute.data.explain import Explanation
from recipe_runner.plan import LossPlan, Plan, TokenizerPlan

pytestmark = pytest.mark.runs


def explained(plan: Plan, tokenizer: Any) -> Explanation:
    found: list[Explanation] = []
    prepare(plan, tokenizer, told=found.append)
    (explanation,) = found
    return explanation


@pytest.fixture
def made(chats: Any, source: Any, plan: Any) -> Plan:
    value: Plan = plan(source(chats(9)), max_length=64)
    return value


def test_an_empty_cache_has_nothing_near(made: Plan, tokenizer: Any) -> None:
    told = explained(made, tokenizer)
    assert (told.hit, told.entry, told.line()) == (False, None, None)
    assert "no entry was made of this recipe or of any of its files" in list(told.lines())


def test_a_hit_says_of_what(made: Plan, tokenizer: Any) -> None:
    prepare(made, tokenizer)
    told = explained(made, tokenizer)
    lines = "\n".join(told.lines())
    assert told.hit
    assert told.line() is None
    assert "for recipe.yaml" in lines
    assert f"transformers {key._version('transformers')}" in lines
    assert "max_length 64" in lines


def test_a_miss_names_the_nearest_entry_and_what_differs(
    made: Plan, tokenizer: Any, source: Any, chats: Any, plan: Any
) -> None:
    data = made.data
    far = dataclasses.replace(made, data=dataclasses.replace(data, max_length=48, overlong="drop"))
    near = prepare(made, tokenizer).receipt.key
    prepare(far, tokenizer)
    changed = dataclasses.replace(made, data=dataclasses.replace(data, max_length=32))
    told = explained(changed, tokenizer)
    assert (told.hit, told.entry) == (False, near)
    assert told.differences == ("`data.max_length`: 32, was 64",)
    assert told.line() == "Rows are prepared again, because of: `data.max_length`: 32, was 64"


def test_each_part_has_its_words(
    made: Plan, tokenizer: Any, source: Any, chats: Any, monkeypatch: Any
) -> None:
    prepare(made, tokenizer)
    file = Path(made.data.train[0].files[0])
    file.write_text(file.read_text().replace("answer 7", "other 7"))
    os.utime(file, (1e9, 1e9))
    loss = dataclasses.replace(made.data.train[0], loss=LossPlan.of("last_assistant"), limit=5)
    changed = dataclasses.replace(
        made,
        data=dataclasses.replace(made.data, train=(loss, source(chats(3, "more.jsonl")))),
        tokenizer=TokenizerPlan("t", {}, chat_template_kwargs={"thinking": True}),
    )
    other = {**key.tokenizer_parts(tokenizer), "backend": "0" * 64}
    monkeypatch.setattr(key, "_version", lambda name: "1.2.3" if name == "jinja2" else None)
    new = key.key_of(changed, other, [["a"], ["b"]]).parts
    monkeypatch.undo()
    old = key.key_of(made, key.tokenizer_parts(tokenizer), [["c"]]).parts
    from recipe_runner.execute.data.explain import differences

    told = differences(old, new, ["chat.jsonl", "more.jsonl"])
    assert f"jinja2 1.2.3, was {key._version('jinja2')}" in told
    assert f"transformers none, was {key._version('transformers')}" in told
    assert "tokenizer: its vocabulary or its rules changed" in told
    assert "`tokenizer.chat_template_kwargs.thinking`: true, was none" in told
    assert "`data.train`: 2 sources, was 1" in told
    assert "chat.jsonl: content changed" in told
    assert "more.jsonl: added" in told
    assert "`data.train[0].loss.turns`: last, was all" in told
    assert "`data.train[0].limit`: 5, was none" in told
    assert "source 2 of 2: left out" in differences(new, old, ["chat.jsonl"])


def test_a_damaged_entry_is_told(made: Plan, tokenizer: Any) -> None:
    folder = prepare(made, tokenizer).folder
    os.truncate(folder / "tokens-0.arrow", 100)
    told = explained(made, tokenizer)
    assert told.damaged
    assert "an entry of this key is there, and its files are not whole" in list(told.lines())


def test_long_texts_are_kept_as_hashes(made: Plan, tokenizer: Any) -> None:
    parts = key.key_of(made, {**key.tokenizer_parts(tokenizer), "chat_template": "x" * 999}, [[]])
    assert list(parts.parts["tokenizer"]["chat_template"]) == ["sha256"]
    assert key.digest(parts.parts) == parts.text
