"""Training, the saved tokenizer and a server are compared before a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.preview.inspect import inspect
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.plan import Plan
from tests.runs.preview.conftest import ANSWER, USER, Compile
from tests.tiny import CHATML, CHATML_MARKED

pytestmark = pytest.mark.runs

GENERATION_PROMPT = "{{ '<|im_start|>assistant\n' }}{% endif %}"
THINKING = CHATML.replace(GENERATION_PROMPT, "{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}")
"""A generation prompt that opens a thought, which the trained turn has not."""

EMPTY_THOUGHT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
    "{{ message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}"
    "{% endif %}{% endif %}"
)
"""As Qwen3's: the last answer gets an empty thought, which only some prompts have."""

STYLED = CHATML.replace("'<|im_start|>", "'<|im_start|>' + (style | default('')) + '")
"""A variable changes every header, and servers do not know of it by themselves."""

CALLS = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] %}{{ message['content'] }}{% endif %}"
    "{% for call in message['tool_calls'] or [] %}{{ call | tojson }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

CHAT = {"messages": [USER, ANSWER]}
CALL = {"function": {"name": "add", "arguments": {"a": 1}}}
WITH_TOOLS = {
    "messages": [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "2"},
        ANSWER,
    ],
}


def told(plan: Plan, tokenizer: Any = None) -> list[Diagnostic]:
    try:
        return list(inspect(plan, tokenizer or load_tokenizer(plan.tokenizer)))
    except DiagnosticError as error:
        return list(error.diagnostics)


def template(text: str, **kwargs: Any) -> dict[str, Any]:
    return {"tokenizer": {"chat_template": {"inline": text}, "chat_template_kwargs": kwargs}}


@pytest.mark.parametrize(
    ("row", "sections"),
    [
        pytest.param(CHAT, {}, id="chatml"),
        pytest.param(CHAT, template(CHATML_MARKED), id="generation markers"),
        pytest.param(CHAT, template(EMPTY_THOUGHT), id="empty thought"),
        pytest.param(
            CHAT, template(EMPTY_THOUGHT, enable_thinking=False), id="empty thought in the prompt"
        ),
        pytest.param(WITH_TOOLS, template(CALLS), id="calls of tools"),
    ],
)
def test_templates_that_agree_are_silent(
    compiled: Compile, row: dict[str, Any], sections: dict[str, Any]
) -> None:
    assert told(compiled([row] * 3, **sections)) == []


def test_text_is_not_compared(compiled: Compile) -> None:
    plan = compiled([{"text": "hello"}], data={"train": {"path": "chat.jsonl", "format": "text"}})
    assert told(plan) == []


def test_a_prompt_that_goes_on_otherwise(compiled: Compile) -> None:
    (found,) = told(compiled([CHAT] * 3, **template(THINKING)))
    assert (found.code.id, found.severity) == ("RR452", "warning")
    assert "in 3 of 3 rows of `chat.jsonl`" in found.message
    assert 'after "' in found.message
    # Four tokens and a line break open a turn, and " 1" is two tokens of this tokenizer.
    assert 'training has "2<|im_end|>\\n" (token' in found.message
    assert 'the prompt of a server has "<think>\\n" (token' in found.message


def test_variables_that_a_server_has_to_know(compiled: Compile) -> None:
    (found,) = told(compiled([CHAT], **template(STYLED, style="calm ")))
    assert found.code.id == "RR452"
    assert "without the recipe's `tokenizer.chat_template_kwargs`" in found.message
    assert "chat_template_kwargs" in found.help


def test_a_tokenizer_that_is_saved_otherwise(compiled: Compile) -> None:
    plan = compiled([CHAT], **template(CHATML))
    tokenizer = load_tokenizer(plan.tokenizer)
    tokenizer.chat_template = CALLS.replace("'\n'", "': '")
    (found,) = told(plan, tokenizer)
    assert told(plan, tokenizer) == [found]
    assert (found.code.id, found.severity) == ("RR452", "error")
    assert "the saved tokenizer makes other tokens than training" in found.message


@pytest.mark.parametrize(
    ("end_of_turn", "expected"),
    [("turn", ["RR453"]), ("none", [])],
    ids=["trained", "not asked for"],
)
def test_an_answer_that_does_not_stop_the_model(
    compiled: Compile, tiny_llama: Path, tmp_path: Path, end_of_turn: str, expected: list[str]
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"):
        (tmp_path / "base").mkdir(exist_ok=True)
        (tmp_path / "base" / name).write_bytes((tiny_llama / name).read_bytes())
    found = told(
        compiled(
            [CHAT],
            model={"name_or_path": "base", "random_init": True},
            tokenizer={"special_tokens": {"eos_token": "<|endoftext|>"}},
            data={"loss_on": {"roles": ["assistant"], "end_of_turn": end_of_turn}},
        )
    )
    assert [each.code.id for each in found] == expected
    if expected:
        assert 'ends with "<|im_end|>" (token' in found[0].message
        assert 'stops at "<|endoftext|>" (token' in found[0].message


def test_the_generation_configuration_may_stop_the_model(
    compiled: Compile, tiny_llama: Path
) -> None:
    assert (
        json.loads((tiny_llama / "generation_config.json").read_text())["eos_token_id"] is not None
    )
    assert (
        told(compiled([CHAT], tokenizer={"special_tokens": {"eos_token": "<|endoftext|>"}})) == []
    )


def test_what_was_compared_once_is_not_compared_again(compiled: Compile, cache: Path) -> None:
    plan = compiled([CHAT])
    assert told(plan) == told(plan) == []
    assert len(list((cache / "compared").iterdir())) == 1
    assert told(compiled([CHAT, WITH_TOOLS], **template(CALLS))) == []
    assert len(list((cache / "compared").iterdir())) == 2
