"""Formats turn rows into examples: what each row becomes, exactly."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from recipe_runner.components import formats
from tests.formats import (
    ANSWERED,
    ASKED,
    PACKAGE,
    Rows,
    example,
    said,
    shared,
)

MODULES = [info.name for info in pkgutil.iter_modules(formats.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_the_rows_in_the_docstring(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"{PACKAGE}.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


HEAD = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
)
ADD = {"instruction": "Add.", "output": "4"}
OTHERS: dict[str, tuple[Rows | str, Rows, Rows]] = {
    "alpaca: text with a system prompt and earlier exchanges": (
        {"type": "alpaca", "render": "text"},
        {**ADD, "system": "Be brief.", "history": [["Hi", "Hello"]]},
        {
            "prompt": "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello\n\n"
            "### Instruction:\nAdd.\n\n### Response:\n",
            "completion": "4",
        },
    ),
    "alpaca: text alone": (
        {"type": "alpaca", "render": "text"},
        {**ADD, "input": None, "history": []},
        {"prompt": f"{HEAD}### Instruction:\nAdd.\n\n### Response:\n", "completion": "4"},
    ),
    "alpaca: chat with a system prompt and earlier exchanges": (
        {"type": "alpaca", "render": "chat"},
        {**ADD, "input": "2, 2", "system": "Be brief.", "history": [["Hi", "Hello"]]},
        {
            "prompt": said(
                ("system", "Be brief."),
                ("user", "Hi"),
                ("assistant", "Hello"),
                ("user", "Add.\n\n2, 2"),
            ),
            "completion": said(("assistant", "4")),
        },
    ),
    "prompt_completion: messages and tools": (
        "prompt_completion",
        {"prompt": [ASKED], "completion": ANSWERED, "tools": [{"name": "f"}]},
        {"prompt": [ASKED], "completion": [ANSWERED], "tools": [{"name": "f"}]},
    ),
    "prompt_completion: turns of ShareGPT": (
        "prompt_completion",
        {
            "prompt": [{"from": "human", "value": "a"}],
            "completion": [{"from": "gpt", "value": "b"}],
        },
        {"prompt": [ASKED], "completion": [ANSWERED]},
    ),
    "template: a text": (
        {"type": "template", "text": "{{{a}}} {b}"},
        {"a": "x", "b": 1.5},
        {"text": "{x} 1.5"},
    ),
    "template: turns": (
        {
            "type": "template",
            "render": "chat",
            "system": "Be brief.",
            "prompt": "{q}",
            "completion": "{a}",
        },
        {"q": "a", "a": "b"},
        {"prompt": said(("system", "Be brief."), ("user", "a")), "completion": [ANSWERED]},
    ),
    "template: a prompt alone": (
        {"type": "template", "render": "chat", "prompt": "{q}"},
        {"q": "a", "right": "b"},
        {"prompt": [ASKED], "columns": {"q": "a", "right": "b"}},
    ),
    "template: Jinja": (
        {
            "type": "template",
            "syntax": "jinja",
            "prompt": "{% if row['my context'] %}\n{{ row['my context'] }}\n{% endif %}\n{{ q }}",
            "completion": "{% for x in a %}{{ x | upper }}{{ '' if loop.last else ', ' }}{% endfor %}",
        },
        {"q": "é<", "a": ["x", "y"], "my context": "c"},
        {"prompt": "c\né<", "completion": "X, Y"},
    ),
    "tokenized: without labels": ("tokenized", {"input_ids": [1, 2]}, {"input_ids": [1, 2]}),
    "tokenized: with the masks of TRL": (
        "tokenized",
        {"input_ids": [1, 2, 3], "completion_mask": [0, 1, 1], "assistant_masks": [0, 0, 1]},
        {"input_ids": [1, 2, 3], "labels": [-100, -100, 3]},
    ),
    "tokenized: own columns": (
        {"type": "tokenized", "input_ids_column": "ids", "labels_column": "to_learn"},
        {"ids": [1, 2], "to_learn": [-100, 2], "attention_mask": [1, 1]},
        {"input_ids": [1, 2], "labels": [-100, 2]},
    ),
    "segments: axolotl's keys": (
        {"type": "segments", "train_key": "label"},
        {"segments": [{"text": "a", "label": 0}, {"text": "b", "label": True}]},
        {"segments": [{"text": "a", "train": False}, {"text": "b", "train": True}]},
    ),
    "preference: answers of LLaMA-Factory": (
        {"type": "preference", "prompt_column": "conversations"},
        {
            **shared(("human", "a")),
            "chosen": {"from": "gpt", "value": "b"},
            "rejected": {"from": "gpt", "value": "c"},
        },
        {"prompt": [ASKED], "chosen": [ANSWERED], "rejected": said(("assistant", "c"))},
    ),
    "preference: without a prompt": (
        "preference",
        {"chosen": [ASKED, ANSWERED], "rejected": said(("user", "a"), ("assistant", "c"))},
        {"chosen": [ASKED, ANSWERED], "rejected": said(("user", "a"), ("assistant", "c"))},
    ),
    "preference: a prompt that the answers repeat": (
        "preference",
        {
            "prompt": "a",
            "chosen": [ASKED, ANSWERED],
            "rejected": said(("user", "a"), ("assistant", "c")),
            "margin": 2,
        },
        {
            "chosen": [ASKED, ANSWERED],
            "rejected": said(("user", "a"), ("assistant", "c")),
            "margin": 2.0,
        },
    ),
    "preference: a third answer": (
        "preference",
        {"prompt": "a", "chosen": "b", "rejected": "c", "reference": "d"},
        {"prompt": "a", "chosen": "b", "rejected": "c", "reference": "d"},
    ),
    "preference: a third answer of ShareGPT": (
        "preference",
        {
            "prompt": [{"from": "human", "value": "a"}],
            "chosen": [{"from": "gpt", "value": "b"}],
            "rejected": {"from": "gpt", "value": "c"},
            "reference": {"from": "gpt", "value": "d"},
        },
        {
            "prompt": [ASKED],
            "chosen": [ANSWERED],
            "rejected": said(("assistant", "c")),
            "reference": said(("assistant", "d")),
        },
    ),
    "preference: a prompt that all three answers repeat": (
        {"type": "preference", "reference_column": "gold"},
        {
            "prompt": [ASKED],
            "chosen": [ASKED, ANSWERED],
            "rejected": said(("user", "a"), ("assistant", "c")),
            "gold": said(("user", "a"), ("assistant", "d")),
        },
        {
            "chosen": [ASKED, ANSWERED],
            "rejected": said(("user", "a"), ("assistant", "c")),
            "reference": said(("user", "a"), ("assistant", "d")),
        },
    ),
    "preference: three answers that begin alike": (
        "preference",
        {
            "chosen": [ASKED, ANSWERED],
            "rejected": said(("user", "a"), ("assistant", "c")),
            "reference": said(("user", "a"), ("assistant", "d")),
        },
        {
            "chosen": [ASKED, ANSWERED],
            "rejected": said(("user", "a"), ("assistant", "c")),
            "reference": said(("user", "a"), ("assistant", "d")),
        },
    ),
    "preference: a third answer that is not there": (
        "preference",
        {"prompt": "a", "chosen": "b", "rejected": "c", "reference": None},
        {"prompt": "a", "chosen": "b", "rejected": "c"},
    ),
    "preference: a third answer that is not read": (
        {"type": "preference", "reference_column": None},
        {"prompt": "a", "chosen": "b", "rejected": "c", "reference": [ANSWERED]},
        {"prompt": "a", "chosen": "b", "rejected": "c"},
    ),
    "unpaired_preference: a table's truth value": (
        "unpaired_preference",
        {"prompt": "a", "completion": "b", "label": "False"},
        {"prompt": "a", "completion": "b", "label": False},
    ),
    "unpaired_preference: one conversation": (
        {
            "type": "unpaired_preference",
            "conversation_column": "messages",
            "label_column": "kto_tag",
        },
        {"messages": [ASKED, ANSWERED], "kto_tag": True},
        {"prompt": [ASKED], "completion": [ANSWERED], "label": True},
    ),
    "stepwise": (
        "stepwise",
        {"prompt": "a", "completions": ["b", "c"], "labels": [1, 0]},
        {"prompt": "a", "completions": ["b", "c"], "labels": [True, False]},
    ),
    "prompt: a text": (
        "prompt",
        {"prompt": "a", "answer": "b"},
        {"prompt": "a", "columns": {"answer": "b"}},
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_formats(case: str) -> None:
    options, row, wanted = OTHERS[case]
    made = example(options, row)
    assert made == wanted
    kinds = {key: type(value) for key, value in wanted.items()}
    assert {key: type(value) for key, value in made.items()} == kinds  # True is not 1


def test_alpaca_as_text_is_the_published_prompt() -> None:
    # https://github.com/tatsu-lab/stanford_alpaca, "Data Release".
    row = {"instruction": "Add.", "input": "2, 2", "output": "4"}
    assert example({"type": "alpaca", "render": "text"}, row) == {
        "prompt": "Below is an instruction that describes a task, paired with an input that provides "
        "further context. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nAdd.\n\n### Input:\n2, 2\n\n### Response:\n",
        "completion": "4",
    }
