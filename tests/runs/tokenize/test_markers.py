"""Templates with generation markers, and tokens that straddle the border of a span."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runs.tokenize import templates as t
from tests.runs.tokenize.trained import row, runs, trained_runs
from tests.tiny import tiny_tokenizer

pytestmark = pytest.mark.runs

CHAT = [
    {"role": "user", "content": "first question"},
    {"role": "assistant", "content": "first answer"},
    {"role": "user", "content": "second question"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nsecond answer"},
]
# Vision templates take contents in parts.
IN_PARTS = ("idefics3", "llava_next", "smolvlm")


def _chat(name: str) -> list[dict[str, Any]]:
    if not name.startswith(IN_PARTS):
        return CHAT
    return [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in CHAT]


def _upstream(tokenizer: Any, messages: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """The ids and the assistant mask of transformers."""
    out = tokenizer.apply_chat_template(
        messages, return_dict=True, return_assistant_tokens_mask=True
    )
    return out["input_ids"], out["assistant_masks"]


MARKED = [name for name in t.shipped_names() if name.endswith("_training")]


@pytest.mark.parametrize("name", MARKED)
def test_markers_mean_what_transformers_says(name: str) -> None:
    tokenizer = t.tokenizer_for(t.shipped(name))
    result = row(tokenizer, {"messages": _chat(name)})
    ids, mask = _upstream(tokenizer, _chat(name))
    assert result.input_ids == ids
    assert result.labels == [i if m else -100 for i, m in zip(ids, mask, strict=True)]
    last = row(tokenizer, {"messages": _chat(name)}, "last_assistant")
    assert trained_runs(tokenizer, last) == runs(tokenizer, ids, [bool(m) for m in mask])[-1:]


# What TRL's training template trains besides what the family's own template trains here:
# the role header where the marker stands before it, and what follows the end of the turn.
HEADERS = ("", "\n", "<｜Assistant｜>", "<|start|>assistant", "<think>", "<think>\n\n</think>\n\n")
FOLLOWERS = ("", "\n", "\n<eos>", "<|user|>")
PLAIN = [{**m, "content": m["content"].rpartition("\n")[2]} for m in CHAT]


@pytest.mark.parametrize(
    "name", [name for name in MARKED if name.removesuffix("_training") not in IN_PARTS]
)
def test_ours_against_trls_training_template(name: str) -> None:
    family, training = t.shipped(name.removesuffix("_training")), t.shipped(name)
    own, theirs = t.tokenizer_for(family), t.tokenizer_for(training)
    ours = trained_runs(own, row(own, {"messages": PLAIN}))
    trls = trained_runs(theirs, row(theirs, {"messages": PLAIN}))
    assert len(ours) == len(trls) == 2
    for one, other in zip(ours, trls, strict=True):
        before, found, after = other.partition(one)
        assert found
        assert before in HEADERS
        assert after in FOLLOWERS


def test_a_token_across_the_border_trains_as_it_does_in_transformers() -> None:
    tokenizer = t.tokenizer_for(t.HEADER_INSIDE_A_TOKEN)
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "e quick"}]
    result = row(tokenizer, {"messages": messages})
    ids, mask = _upstream(tokenizer, messages)
    assert result.labels == [i if m else -100 for i, m in zip(ids, mask, strict=True)]
    assert trained_runs(tokenizer, result) == [" the quick<|im_end|>"]

    unmarked = t.HEADER_INSIDE_A_TOKEN.replace("{% generation %}", "").replace(
        "{% endgeneration %}", ""
    )
    plain = t.tokenizer_for(unmarked)
    assert trained_runs(plain, row(plain, {"messages": messages})) == [" the quick<|im_end|>"]


def test_all_tokens_of_the_last_character_train() -> None:
    """The bytes of an emoji are several tokens; transformers' mask takes the first of them."""
    tokenizer = t.tokenizer_for(
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
        "{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    messages = [
        {"role": "user", "content": "hi:"},
        {"role": "assistant", "content": "so 😀"},
        {"role": "user", "content": "ok"},
    ]
    assert trained_runs(tokenizer, row(tokenizer, {"messages": messages})) == ["so 😀"]


def test_a_header_token_that_takes_the_answers_white_space_does_not_train(tmp_path: Path) -> None:
    """Phi-3's `<|assistant|>` is such a token; transformers' mask trains it."""
    from tokenizers import AddedToken

    tokenizer = tiny_tokenizer(
        tmp_path,
        chat_template="{% for m in messages %}<|head|>{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|head|>{% endif %}",
    )
    tokenizer.add_special_tokens(
        {"extra_special_tokens": [AddedToken("<|head|>", rstrip=True, special=True)]},
        replace_extra_special_tokens=False,
    )
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "  there"}]
    result = row(tokenizer, {"messages": messages})
    assert tokenizer.convert_tokens_to_ids("<|head|>") in result.input_ids
    assert trained_runs(tokenizer, result) == ["there<|im_end|>"]
