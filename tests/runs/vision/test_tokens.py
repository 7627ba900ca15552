"""Tokens and labels of conversations with images, for processors of four kinds."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.execute.tokenize import IGNORED, TokenizeSettings
from recipe_runner.execute.vision import ImageFolder, ImageRow, VisionTokenizer
from recipe_runner.execute.vision.images import KEPT
from recipe_runner.plan import LossPlan
from recipe_runner.rows import RowProblem
from tests.runs.vision.families import Family
from tests.tiny_vision import picture, seen

pytestmark = pytest.mark.runs


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for colour in ("red", "blue"):
        picture(tmp_path / f"{colour}.png", colour)
    picture(tmp_path / "wide.png", "green", (140, 40))
    return tmp_path


def tokenized(family: Family, base: Path, example: Any, **settings: Any) -> Any:
    """The one result of tokenizing `example`."""
    chosen = {"loss": LossPlan.of("assistant"), **settings}
    folder = ImageFolder(base, base / "kept")
    (result,) = VisionTokenizer.of(family.processor, TokenizeSettings(**chosen), folder)([example])
    return result


def row(family: Family, base: Path, messages: Any, **settings: Any) -> ImageRow:
    result = tokenized(family, base, {"messages": messages}, **settings)
    assert not isinstance(result, RowProblem), result.message
    (only,) = result
    assert isinstance(only, ImageRow)
    return only


def trained(family: Family, made: ImageRow) -> str:
    """The text of the tokens that train."""
    kept = [label for label in made.labels if label != IGNORED]
    return str(family.processor.tokenizer.decode(kept))


def upstream(family: Family, base: Path, messages: Any) -> list[int]:
    """The ids that the processor gives on its own, from messages with pictures."""
    from PIL import Image

    whole = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        loaded = [
            {"type": "image", "image": Image.open(base / part["image"]).convert("RGB")}
            if part["type"] == "image"
            else part
            for part in parts
        ]
        whole.append({**message, "content": loaded})
    made = family.processor.apply_chat_template([whole], tokenize=True, return_dict=True)
    return list(made["input_ids"][0])


TWO_TURNS = [
    *seen("red.png", "what colour is it?", "red"),
    *seen("wide.png", "and this?", "green!"),
]
TWO_AT_ONCE = [
    {"role": "system", "content": "look"},
    {
        "role": "user",
        "content": [
            {"type": "image", "image": "red.png"},
            {"type": "image", "image": "blue.png"},
            {"type": "text", "text": "same?\n\n"},
        ],
    },
    {"role": "assistant", "content": "no"},
]
BEHIND_TEXT = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "look at this \n"},
            {"type": "image", "image": "blue.png"},
        ],
    },
    {"role": "assistant", "content": "blue"},
    {"role": "user", "content": "sure?"},
    {"role": "assistant", "content": "yes"},
]
BY_THE_ASSISTANT = [
    {"role": "user", "content": "show red"},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "here"},
            {"type": "image", "image": "red.png"},
            {"type": "text", "text": "it is"},
        ],
    },
]
CONVERSATIONS = {
    "one": (seen("red.png", "what colour is it?", "red"), "red<|im_end|>"),
    "two turns": (TWO_TURNS, "red<|im_end|>green!<|im_end|>"),
    "two images at once": (TWO_AT_ONCE, "no<|im_end|>"),
    "behind a text": (BEHIND_TEXT, "blue<|im_end|>yes<|im_end|>"),
    "no image": (
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}],
        "yes<|im_end|>",
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_ids_are_those_of_the_processor_and_labels_those_of_the_answers(
    family: Family, base: Path, name: str
) -> None:
    messages, answers = CONVERSATIONS[name]
    made = row(family, base, messages)
    assert made.input_ids == upstream(family, base, messages)
    assert trained(family, made) == answers
    pairs = zip(made.input_ids, made.labels, strict=True)
    assert all(label in (token, IGNORED) for token, label in pairs)


def test_no_token_of_an_image_trains_where_everything_else_does(family: Family, base: Path) -> None:
    made = row(family, base, TWO_TURNS, loss=LossPlan.of("all"))
    fill = family.fill
    assert any(token in fill for token in made.input_ids)
    for token, label in zip(made.input_ids, made.labels, strict=True):
        assert (label == IGNORED) or token not in fill


def test_labels_are_at_hand_counted_places(llava: Family, base: Path) -> None:
    made = row(llava, base, seen("red.png", "what", "red"))
    tokenizer = llava.processor.tokenizer
    # 56 x 56 pixels in patches of 14 are 4 x 4; LLaVA leaves out CLIP's class token.
    head = tokenizer("<|im_start|>user\n")["input_ids"] + [llava.place] * 16
    head += tokenizer("what<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
    answer, tail = tokenizer("red<|im_end|>")["input_ids"], tokenizer("\n")["input_ids"]
    assert made.input_ids == head + answer + tail
    assert made.labels == [IGNORED] * len(head) + answer + [IGNORED] * len(tail)


def test_size_decides_about_the_number_of_tokens(qwen: Family, base: Path) -> None:
    counts = [
        sum(token == qwen.place for token in row(qwen, base, seen(name, "what", "x")).input_ids)
        for name in ("red.png", "wide.png")
    ]
    # Merged patches of 28 x 28: 56 x 56 is 2 x 2 of them; 140 x 40 becomes 140 x 28, 5 x 1.
    assert counts == [4, 5]


def test_prompt_and_completion_train_on_the_completion(family: Family, base: Path) -> None:
    prompt, completion = TWO_TURNS[:3], TWO_TURNS[3:]
    example = {"prompt": prompt, "completion": completion}
    (made,) = tokenized(family, base, example, loss=LossPlan.of("completion"))
    assert made.input_ids == upstream(family, base, TWO_TURNS)
    assert trained(family, made).strip() == "green!<|im_end|>"


def test_bytes_and_data_urls_are_kept_beside_the_rows(llava: Family, base: Path) -> None:
    data = (base / "red.png").read_bytes()
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    for image in (data, url, {"bytes": data, "path": "elsewhere.png"}):
        made = row(llava, base, seen(image, "what", "red"))
        (reference,) = made.images
        assert reference.startswith(KEPT)
        assert (base / "kept" / reference.removeprefix(KEPT)).read_bytes() == data
    assert len(list((base / "kept").iterdir())) == 1
    assert json.loads(made.pictures) == [made.text, [reference]]


BROKEN = {
    "not there": ("gone.png", "image-missing"),
    "a folder": (".", "image-missing"),
    "a pipe": ("pipe", "image-missing"),
    "a device": ("/dev/zero", "image-missing"),
    "on the network": ("https://example.org/cat.png", "image-missing"),
    "no picture": ("note.txt", "image-broken"),
    "torn": ("torn.png", "image-broken"),
    "no base64": ("data:image/png;base64,???", "image-broken"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_image_that_cannot_be_read_is_a_problem_of_its_row(
    llava: Family, base: Path, name: str
) -> None:
    image, reason = BROKEN[name]
    (base / "note.txt").write_text("no picture", encoding="utf-8")
    os.mkfifo(base / "pipe")
    (base / "torn.png").write_bytes((base / "red.png").read_bytes()[:60])
    result = tokenized(llava, base, {"messages": seen(image, "what", "red")})
    assert isinstance(result, RowProblem)
    assert result.reason == reason
    assert "image" in result.message


def test_an_image_token_in_a_text_is_refused(family: Family, base: Path) -> None:
    token = family.processor.image_token
    result = tokenized(family, base, {"messages": seen("red.png", f"what is {token}?", "red")})
    assert isinstance(result, RowProblem)
    assert result.reason in ("image-tokens-unaligned", "image-refused")


def test_a_long_row_is_cut_behind_its_last_image_and_never_inside_one(
    family: Family, base: Path
) -> None:
    messages = seen("red.png", "what", "red " * 20)
    whole = row(family, base, messages)
    end = max(i for i, token in enumerate(whole.input_ids) if token in family.fill) + 1
    limit = len(whole.input_ids) - 7
    made = row(family, base, messages, max_length=limit)
    assert made.input_ids == whole.input_ids[:limit]
    assert made.labels == whole.labels[:limit]
    assert made.truncated == 7
    for too_short, reason in ((end - 1, "over-length-refused"), (end, "no-trained-token")):
        result = tokenized(family, base, {"messages": messages}, max_length=too_short)
        assert isinstance(result, RowProblem)
        assert result.reason == reason


@pytest.mark.parametrize(
    ("overlong", "reason"), [("drop", "over-length"), ("error", "over-length-refused")]
)
def test_length_counts_the_tokens_of_images(
    llava: Family, base: Path, overlong: str, reason: str
) -> None:
    messages = seen("red.png", "what", "red")
    length = len(row(llava, base, messages).input_ids)
    assert isinstance(tokenized(llava, base, {"messages": messages}, max_length=length), tuple)
    result = tokenized(
        llava, base, {"messages": messages}, max_length=length - 1, overlong=overlong
    )
    assert isinstance(result, RowProblem)
    assert result.reason == reason


def test_an_answer_with_an_image_in_it_trains_around_it(llava: Family, base: Path) -> None:
    made = row(llava, base, BY_THE_ASSISTANT)
    assert trained(llava, made) == "hereit is<|im_end|>"


def test_an_image_token_in_a_row_without_images_is_refused(family: Family, base: Path) -> None:
    token = family.processor.image_token
    messages = [{"role": "user", "content": f"what is {token}?"}, TWO_TURNS[1]]
    result = tokenized(family, base, {"messages": messages})
    assert isinstance(result, RowProblem)
    assert result.reason == "image-tokens-unaligned"


def test_an_image_alone_and_one_of_the_system_are_read(family: Family, base: Path) -> None:
    image = {"type": "image", "image": "red.png"}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "look"}, image]},
        {"role": "user", "content": [{**image, "image": "blue.png"}]},
        {"role": "assistant", "content": "yes"},
    ]
    made = row(family, base, messages)
    assert made.input_ids == upstream(family, base, messages)
    assert trained(family, made) == "yes<|im_end|>"
    assert [Path(image).name for image in made.images] == ["red.png", "blue.png"]
