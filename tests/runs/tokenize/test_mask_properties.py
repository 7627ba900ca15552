"""Whatever the conversation, exactly the assistant's words train."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runs.tokenize import templates as t
from tests.runs.tokenize.trained import row, trained_runs

pytestmark = pytest.mark.runs

# Words of the template too: contents may hold anything.
_PIECES = st.sampled_from(
    [
        "a",
        "b c",
        " ",
        "\n",
        "é",
        "😀",
        "user",
        "assistant\n",
        "<|im_start|>",
        "<|im_end|>",
        "</s>",
        "the",
    ]
)
# A content begins with a letter: white space there may share a token with the header's.
_CONTENT = st.lists(_PIECES, max_size=6).map(lambda parts: "x" + "".join(parts))
_TURNS = st.lists(st.tuples(_CONTENT, _CONTENT), min_size=1, max_size=3)


def _as_written(content: str, *, last: bool) -> str:
    return content


def _trimmed(content: str, *, last: bool) -> str:
    return content.strip()


def _qwen3(content: str, *, last: bool) -> str:
    return ("<think>\n\n</think>\n\n" if last else "") + content


TEMPLATES: dict[str, tuple[str, Callable[..., str], str]] = {
    "chatml": (t.CHATML, _as_written, "<|im_end|>"),
    "trims": (t.TRIMS, _trimmed, "<|im_end|>"),
    "</s>": (t.ENDS_WITH_S, _as_written, "</s>"),
    "no prompt flag": (t.IGNORES_THE_PROMPT_FLAG, _as_written, "<|im_end|>"),
    "llama3": (t.shipped("llama3"), _trimmed, "<|eot_id|>"),
    "gemma3": (t.shipped("gemma3"), _trimmed, "<end_of_turn>"),
    "qwen3": (t.shipped("qwen3"), _qwen3, "<|im_end|>"),
}


@pytest.mark.parametrize(("template", "rendered", "end"), TEMPLATES.values(), ids=TEMPLATES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns=_TURNS)
def test_the_assistants_words_train_and_nothing_else(
    template: str, rendered: Callable[..., str], end: str, turns: list[tuple[str, str]]
) -> None:
    tokenizer = t.tokenizer_for(template)
    messages = [
        {"role": role, "content": content}
        for turn in turns
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]
    answers = [answer for _, answer in turns]
    expected = [
        rendered(answer, last=number == len(answers)) + end
        for number, answer in enumerate(answers, 1)
    ]
    assert trained_runs(tokenizer, row(tokenizer, {"messages": messages})) == expected
