"""Batches of prepared rows: what the model gets is what its processor would give it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import Prepared, prepare
from recipe_runner.execute.sft.collator import Collator
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.execute.vision import VisionCollator, load_processor
from recipe_runner.plan import Plan
from tests.runs.vision.families import Family
from tests.runs.vision.plans import vision_plan, written
from tests.tiny_vision import colour_chats, picture, seen

pytestmark = pytest.mark.runs

PLAIN = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes there"}]


def prepared(plan: Plan) -> tuple[Prepared, VisionCollator]:
    tokenizer = load_tokenizer(plan.tokenizer)
    made = prepare(plan, tokenizer)
    processor = load_processor(plan, tokenizer)
    tokens = Collator(tokenizer.pad_token_id)
    return made, VisionCollator(processor, tokens, made.folder, plan.recipe_path)


def test_a_batch_is_what_the_processor_gives(family: Family, tmp_path: Path) -> None:
    from PIL import Image

    made, collator = prepared(vision_plan(family.folder, tmp_path))
    batch = collator([made.train[number] for number in range(4)])
    lines = (tmp_path / "chat.jsonl").read_text(encoding="utf-8").splitlines()[:4]
    conversations = []
    for line in lines:
        user, assistant = json.loads(line)["messages"]
        image, question = user["content"]
        shown = {"type": "image", "image": Image.open(tmp_path / image["image"])}
        answer = [{"type": "text", "text": assistant["content"]}]
        conversations.append(
            [{**user, "content": [shown, question]}, {**assistant, "content": answer}]
        )
    wanted = family.processor.apply_chat_template(
        conversations,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True, "padding_side": "right"},
    )
    assert set(batch) == {*wanted, "labels"}
    for name, values in wanted.items():
        assert batch[name].dtype.is_floating_point == values.dtype.is_floating_point
        assert batch[name].tolist() == values.tolist(), name


def test_rows_with_and_without_images_mix(family: Family, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    picture(tmp_path / "red.png", "red")
    image = seen("red.png", "what", "red")
    written(tmp_path, PLAIN, image, [*PLAIN, *PLAIN, *PLAIN])
    made, collator = prepared(vision_plan(family.folder, tmp_path))
    rows = [made.train[number] for number in range(3)]
    model = AutoModelForImageTextToText.from_pretrained(family.folder).eval()
    losses = {}
    with torch.no_grad():
        for chosen in ((0,), (1,), (2,), (0, 1, 2)):
            batch = collator([rows[number] for number in chosen])
            output = model(**{name: v for name, v in batch.items() if name != "labels"})
            scored = torch.nn.functional.cross_entropy(
                output.logits[:, :-1].transpose(1, 2), batch["labels"][:, 1:], reduction="none"
            )
            losses[chosen] = scored.sum(dim=1).tolist()
    alone = [losses[number,][0] for number in range(3)]
    assert losses[0, 1, 2] == pytest.approx(alone, rel=1e-4)


def test_bytes_in_parquet_give_the_same_rows_as_files(llava: Family, tmp_path: Path) -> None:
    from dataclasses import replace

    import datasets

    plan = vision_plan(llava.folder, tmp_path)
    from_files, collator = prepared(plan)
    rows = [json.loads(line) for line in (tmp_path / "chat.jsonl").read_text().splitlines()]
    table = {
        "messages": [
            [
                {
                    "role": m["role"],
                    "content": m["content"] if m["role"] == "assistant" else "what colour is it?",
                }
                for m in row["messages"]
            ]
            for row in rows
        ],
        "images": [
            [{"bytes": (tmp_path / row["messages"][0]["content"][0]["image"]).read_bytes()}]
            for row in rows
        ],
    }
    features = datasets.Features(
        {
            "messages": [{"role": datasets.Value("string"), "content": datasets.Value("string")}],
            "images": datasets.List(datasets.Image()),
        }
    )
    file = tmp_path / "elsewhere" / "chat.parquet"
    file.parent.mkdir()
    # As a data set is written for the hub: the bytes of the images are in the table.
    datasets.Dataset.from_dict(table, features=features).to_parquet(file)
    (source,) = plan.data.train
    source = replace(source, path=str(file), loader="parquet", files=(str(file),))
    from_bytes, other = prepared(replace(plan, data=replace(plan.data, train=(source,))))
    assert len(from_bytes.train) == len(from_files.train)
    ones, others = (
        each([data.train[n] for n in range(4)])
        for each, data in ((collator, from_files), (other, from_bytes))
    )
    assert {k: v.tolist() for k, v in ones.items()} == {k: v.tolist() for k, v in others.items()}
    assert len(list((from_bytes.folder / "images").iterdir())) == 4


def test_a_picture_that_was_changed_is_told(qwen: Family, tmp_path: Path) -> None:
    colour_chats(tmp_path)
    made, collator = prepared(vision_plan(qwen.folder, tmp_path))
    picture(tmp_path / "pictures" / "red.png", "red", (140, 40))
    with pytest.raises(DiagnosticError) as raised:
        collator([made.train[0]])
    assert raised.value.diagnostics[0].code.id == "RR467"
    (tmp_path / "pictures" / "red.png").unlink()
    with pytest.raises(DiagnosticError) as raised:
        collator([made.train[0]])
    assert "there is no such file" in raised.value.diagnostics[0].message


def test_the_same_rows_beside_other_pictures_are_prepared_again(
    qwen: Family, tmp_path: Path
) -> None:
    one, _ = prepared(vision_plan(qwen.folder, tmp_path / "one"))
    again, _ = prepared(vision_plan(qwen.folder, tmp_path / "one"))
    other, _ = prepared(vision_plan(qwen.folder, tmp_path / "other"))
    assert (one.receipt.cached, again.receipt.cached, other.receipt.cached) == (False, True, False)


def test_rows_with_bad_images_are_named(llava: Family, tmp_path: Path) -> None:
    picture(tmp_path / "red.png", "red")
    (tmp_path / "torn.png").write_bytes((tmp_path / "red.png").read_bytes()[:50])
    names = ["red.png", "gone.png", "torn.png"]
    written(tmp_path, *(seen(name, "what", "red") for name in names))
    with pytest.raises(DiagnosticError) as raised:
        prepared(vision_plan(llava.folder, tmp_path))
    found = {
        (d.code.id, d.message.partition(" has")[0].partition(" names")[0])
        for d in raised.value.diagnostics
    }
    assert found == {
        ("RR468", "line 2 of `chat.jsonl`"),
        ("RR468", "line 3 of `chat.jsonl`"),
    }


def test_a_text_model_refuses_images(tiny_llama: Path, tmp_path: Path) -> None:
    from tests.runs.train.by_hand import plan_for

    colour_chats(tmp_path)
    plan = plan_for(tiny_llama, tmp_path)
    with pytest.raises(DiagnosticError) as raised:
        prepare(plan, load_tokenizer(plan.tokenizer))
    assert "model.task" in raised.value.diagnostics[0].message


def test_a_text_model_has_no_processor(tiny_llama: Path, tmp_path: Path) -> None:
    plan = vision_plan(tiny_llama, tmp_path)
    with pytest.raises(DiagnosticError) as raised:
        load_processor(plan, load_tokenizer(plan.tokenizer))
    assert raised.value.diagnostics[0].code.id == "RR465"


def test_a_processor_that_wants_torchvision_is_told(qwen: Family, tmp_path: Path) -> None:
    import shutil
    from importlib.util import find_spec

    if find_spec("torchvision") is not None:
        pytest.skip("torchvision is installed")
    folder = shutil.copytree(qwen.folder, tmp_path / "model")
    file = folder / "processor_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["processor_class"] = "Qwen2VLProcessor"
    file.write_text(json.dumps(config), encoding="utf-8")
    video = json.dumps({"video_processor_type": "Qwen2VLVideoProcessor"})
    (folder / "video_preprocessor_config.json").write_text(video, encoding="utf-8")
    plan = vision_plan(folder, tmp_path / "data")
    with pytest.raises(DiagnosticError) as raised:
        load_processor(plan, load_tokenizer(plan.tokenizer))
    assert raised.value.diagnostics[0].code.id == "RR466"
    assert "torchvision" in raised.value.diagnostics[0].message.lower()
