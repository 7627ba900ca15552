"""`format: auto`: which format the layouts of public data sets are recognised as."""

from __future__ import annotations

import json

import pytest

from recipe_runner.components.base import create, discover
from recipe_runner.components.format import Format
from tests.formats import ANSWERED, ASKED, PACKAGE, Rows, chat, said, shared, turn
from tests.workshop import Workshop, recipe

KINDS = sorted(
    (kind for kind in discover(PACKAGE).values() if issubclass(kind, Format)),
    key=lambda kind: kind.rank,
)

TURN = {"from": "gpt", "value": "b"}
CHAT = chat(("user", "a"), ("assistant", "b"))
SHARED = shared(("human", "a"), ("gpt", "b"))
LAYOUTS: dict[str, tuple[Rows, str | None, Rows]] = {
    "OpenAI": (CHAT, "messages", {}),
    "OpenAI with tools": ({**CHAT, "tools": "[]"}, "messages", {}),
    "OpenAI with weights": (turn(weight=0), "messages", {}),
    "Anthropic, with the system prompt beside": ({**CHAT, "system": "s"}, "messages", {}),
    "TRL with images": ({**CHAT, "images": ["a.png"]}, "messages", {}),
    "UltraChat": ({"prompt": "a", "prompt_id": "1", **CHAT}, "messages", {}),
    "messages named conversations": (
        {"conversations": [ASKED, ANSWERED]},
        "messages",
        {"messages_column": "conversations"},
    ),
    "messages named conversation": (
        {"conversation": [ASKED, ANSWERED]},
        "messages",
        {"messages_column": "conversation"},
    ),
    "messages and their text": ({**CHAT, "text": "a b"}, "messages", {}),
    "messages with a label of something": ({**CHAT, "label": True}, "messages", {}),
    "ShareGPT": (SHARED, "sharegpt", {}),
    "ShareGPT with system and tools": (
        {**SHARED, "system": "s", "tools": "[]"},
        "sharegpt",
        {},
    ),
    "OpenHermes": ({**SHARED, "source": "x", "category": None}, "sharegpt", {}),
    "LLaVA": ({**SHARED, "image": "a.png", "id": "1"}, "sharegpt", {"images_column": "image"}),
    "Stanford Alpaca": (
        {"instruction": "a", "input": "", "output": "b"},
        "alpaca",
        {"render": "chat"},
    ),
    "Alpaca with the text beside": (
        {"instruction": "a", "input": "", "output": "b", "text": "ab"},
        "alpaca",
        {"render": "chat"},
    ),
    "LLaMA-Factory with history": (
        {"instruction": "a", "input": "", "output": "b", "system": "s", "history": [["c", "d"]]},
        "alpaca",
        {"render": "chat"},
    ),
    "Dolly": (
        {"instruction": "a", "context": "", "response": "b", "category": "c"},
        "alpaca",
        {"render": "chat", "output_column": "response", "input_column": "context"},
    ),
    "prompt and completion": ({"prompt": "a", "completion": "b"}, "prompt_completion", {}),
    "prompt and completion as messages": (
        {"prompt": [ASKED], "completion": [ANSWERED]},
        "prompt_completion",
        {},
    ),
    "prompt, completion and their text": (
        {"prompt": "a", "completion": "b", "text": "ab"},
        "prompt_completion",
        {},
    ),
    "text": ({"text": "a", "url": "b"}, "text", {}),
    "tokens": ({"input_ids": [1, 2], "attention_mask": [1, 1]}, "tokenized", {}),
    "tokens with labels and their text": (
        {"input_ids": [1], "labels": [1], "text": "a"},
        "tokenized",
        {},
    ),
    "axolotl input_output": (
        {"segments": [{"label": True, "text": "a"}]},
        "segments",
        {"train_key": "label"},
    ),
    "segments": ({"segments": [{"train": True, "text": "a"}]}, "segments", {}),
    "TRL preference": ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference", {}),
    "HH": ({"chosen": "a: b", "rejected": "a: c"}, "preference", {}),
    "UltraFeedback binarized": (
        {
            "prompt": "a",
            "chosen": [ASKED, ANSWERED],
            "rejected": said(("user", "a"), ("assistant", "c")),
            "messages": [ASKED, ANSWERED],
            "score_chosen": 8.0,
        },
        "preference",
        {"prompt_column": "prompt"},
    ),
    "axolotl chat_template.default": (
        {"messages": [ASKED], "chosen": ANSWERED, "rejected": {**ANSWERED, "content": "c"}},
        "preference",
        {"prompt_column": "messages"},
    ),
    "LLaMA-Factory ranking": (
        {**shared(("human", "a")), "chosen": TURN, "rejected": {**TURN, "value": "c"}},
        "preference",
        {"prompt_column": "conversations"},
    ),
    "LLaMA-Factory KTO": (
        {**CHAT, "kto_tag": True},
        "unpaired_preference",
        {"label_column": "kto_tag", "conversation_column": "messages"},
    ),
    "TRL unpaired preference": (
        {"prompt": "a", "completion": "b", "label": True},
        "unpaired_preference",
        {},
    ),
    "TRL stepwise": (
        {"prompt": "a", "completions": ["b"], "labels": [True]},
        "stepwise",
        {},
    ),
    "prompts for rewards": ({"prompt": [ASKED], "answer": "b"}, "prompt", {}),
    "prompts as text": ({"prompt": "a", "ground_truth": "b"}, "prompt", {}),
    "question and answer": ({"question": "a", "answer": "b"}, None, {}),
    "another column": ({"body": "a"}, None, {}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_columns_tell_the_format(name: str) -> None:
    row, wanted, options = LAYOUTS[name]
    fitting = [kind for kind in KINDS if kind.recognises(row) is not None]
    assert (fitting[0].type_name() if fitting else None) == wanted
    if wanted is None:
        return
    told = fitting[0].recognised_options(row)
    made = create(PACKAGE, {"type": wanted, **told})
    assert {key: getattr(made, key) for key in options} == options
    assert made.to_example(row)


def test_the_plan_says_what_was_recognised_and_why(shop: Workshop) -> None:
    row = {"instruction": "a", "input": "", "output": "b", "text": "ab"}
    (shop.folder / "data" / "both.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    plan = shop.plan(recipe({"data.train": "data/both.jsonl"}))
    noted = next(d for d in plan.derived if d.path == "data.train.format")
    assert noted.because == "there are columns `instruction` and `output`; text would fit too"


def test_ranks_are_not_shared() -> None:
    ranks = [kind.rank for kind in KINDS]
    assert len(ranks) == len(set(ranks))
