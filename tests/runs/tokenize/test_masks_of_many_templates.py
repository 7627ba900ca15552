"""The mask equals an independent oracle's, for many chat templates and conversations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipe_runner.execute.tokenize import IGNORED
from recipe_runner.plan import LossPlan
from recipe_runner.plan.data import EndOfTurn
from recipe_runner.rows import RowProblem
from tests.runs.tokenize import templates as t
from tests.runs.tokenize.conversations import CONVERSATIONS
from tests.runs.tokenize.mask_oracle import Renderer, content_spans, trained_spans
from tests.runs.tokenize.mask_table import IN_PARTS, labels_of, line_of, names, source_of
from tests.runs.tokenize.trained import row, trained_runs

pytestmark = pytest.mark.runs

# What no rendering can show: the content is altered, left out, or written twice.
NOTHING_SURE = ("writes twice", "leaves answers out", "uppercase", "cuts long answers")
# Conversations that are refused: the template writes a tool's answer into the turn that called
# it, or a title from an answer, or nothing around an empty answer.
SOMETIMES_UNSURE = {
    "diffusion_gemma": 2,
    "gemma4": 2,
    "gemma4_v3": 2,
    "gemma4_v4": 2,
    "gemma4_v5": 2,
    "llava_next": 1,
    "adversarial title from the question": 1,
    "adversarial tool answer inside": 3,
}


@pytest.mark.parametrize("name", names())
def test_the_mask_is_the_oracles(name: str) -> None:
    line = line_of(name)
    assert not line.mismatches
    if name.removeprefix("adversarial ") in NOTHING_SURE:
        assert line.compared == 0
    else:
        assert line.compared == line.equal >= 10
        assert len(line.refused) <= SOMETIMES_UNSURE.get(name, 0)
    assert all(refusal.endswith(": mask-unknown") for refusal in line.refused)


OTHERS = [n for n in names() if not n.startswith(IN_PARTS) and not n.endswith("_training")]


@pytest.mark.parametrize("role", ["user", "tool", "system"])
@pytest.mark.parametrize("name", OTHERS)
def test_contents_of_other_roles_train_as_they_are_written(name: str, role: str) -> None:
    tokenizer = t.tokenizer_for(source_of(name))
    loss = LossPlan("turns", (role,), end_of_turn="none")
    compared = 0
    for talk in CONVERSATIONS:
        render = Renderer(tokenizer, talk.kwargs, talk.tools)
        example = {"messages": talk.messages, "chat_template_kwargs": talk.kwargs}
        if talk.tools:
            example["tools"] = talk.tools
        try:
            found = row(tokenizer, example, loss)
        except RowProblem:
            continue
        expected = content_spans(render, talk.messages, role)
        if expected is not None:
            compared += 1
            assert found.labels == labels_of(tokenizer, render(talk.messages), expected), talk.name
    if role == "user" and name.removeprefix("adversarial ") not in (
        *NOTHING_SURE,
        "title from the question",
    ):
        assert compared >= 8


def test_there_are_many_templates() -> None:
    unmarked = [name for name in names() if not name.endswith("_training")]
    assert len(unmarked) >= 60


WRONG: dict[str, Callable[[list[int]], list[int]]] = {
    "one token early": lambda labels: [*labels[1:], IGNORED],
    "one token late": lambda labels: [IGNORED, *labels[:-1]],
    "all of it": lambda labels: [0 for _ in labels],
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_the_oracle_notices_a_wrong_mask(wrong: Callable[[list[int]], list[int]]) -> None:
    tokenizer = t.tokenizer_for(t.shipped("qwen3"))
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    render = Renderer(tokenizer, {})
    spans = trained_spans(render, messages, ("<|im_end|>",))
    assert spans is not None
    expected = [label != IGNORED for label in labels_of(tokenizer, render(messages), spans)]
    labels = row(tokenizer, {"messages": messages}).labels
    assert [label != IGNORED for label in labels] == expected
    assert [label != IGNORED for label in wrong(labels)] != expected


_PIECES = ("a", "Ünï", " ", "\n", "😀", "<|im_end|>", "<|im_start|>assistant\n", "</s>", "<think>")
_CONTENT = st.lists(st.sampled_from(_PIECES), max_size=5).map(lambda p: "x" + "".join(p) + "y")
_ROLES = st.sampled_from(["user", "assistant", "tool"])
_MESSAGES = st.lists(st.tuples(_ROLES, _CONTENT), min_size=1, max_size=6)
TRAINED_ROLES = st.sets(st.sampled_from(["assistant", "user", "tool"]), min_size=1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns=_MESSAGES, roles=TRAINED_ROLES, end_of_turn=st.sampled_from(["turn", "none"]))
def test_what_trains_decodes_to_what_should_train(
    turns: list[tuple[str, str]], roles: set[str], end_of_turn: EndOfTurn
) -> None:
    tokenizer = t.tokenizer_for(t.CHATML)
    messages = [{"role": role, "content": content} for role, content in turns]
    loss = LossPlan("turns", tuple(sorted(roles)), end_of_turn=end_of_turn)
    end = "<|im_end|>" if end_of_turn == "turn" else ""
    expected = "".join(content + end for role, content in turns if role in roles)
    if not expected:
        with pytest.raises(RowProblem, match="no turn"):
            row(tokenizer, {"messages": messages}, loss)
        return
    assert (
        "".join(trained_runs(tokenizer, row(tokenizer, {"messages": messages}, loss))) == expected
    )
