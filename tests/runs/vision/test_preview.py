"""A row with images as a person sees it."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from recipe_runner.execute.data.build import bench_of
from recipe_runner.execute.data.cache import Store
from recipe_runner.execute.data.hashes import FileHashes
from recipe_runner.execute.data.work import Task, outcomes
from recipe_runner.execute.preview.row import Lens, PreviewRow, Source
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.plan import Plan
from tests.runs.vision.families import Family
from tests.runs.vision.plans import vision_plan, written
from tests.tiny_vision import picture, seen

pytestmark = pytest.mark.runs


def looked_at(plan: Plan, tmp_path: Path) -> list[PreviewRow]:
    plan = replace(plan, data=replace(plan.data, num_proc=1))
    (source,) = plan.data.train
    tokenizer = load_tokenizer(plan.tokenizer)
    store = Store(tmp_path / "cache")
    hashes = FileHashes(store.root).of(source.files)
    bench = bench_of(plan, source, 0, tokenizer, store, tmp_path / "work", hashes)
    lens = Lens.of(bench, Source("train", 1, source.path), tokenizer, plan.recipe_path)
    (chunk,) = bench.reader.rows.chunks
    return [row for outcome in outcomes(bench, Task(0, chunk)) for row in lens.rows(outcome)]


def test_images_are_one_piece_each_and_have_a_role(family: Family, tmp_path: Path) -> None:
    row = looked_at(vision_plan(family.folder, tmp_path), tmp_path)[0]
    assert "".join(piece.text for piece in row.pieces if piece.trained) == "red!<|im_end|>"
    assert row.roles["image"].trained == 0
    assert row.roles["user"].tokens > 0
    filled = [piece for piece in row.pieces if set(piece.ids) <= family.fill]
    assert all(f" x {len(piece.ids)}" in piece.text for piece in filled if len(piece.ids) > 1)
    assert sum(len(piece.ids) for piece in row.pieces) == row.tokens


@pytest.mark.parametrize("image", ["red.png", "in the row"])
def test_a_row_that_is_left_out_is_shown_with_its_images(
    family: Family, image: str, tmp_path: Path
) -> None:
    plan = vision_plan(family.folder, tmp_path)
    data = replace(plan.data, max_length=8, overlong="drop")
    picture(tmp_path / "red.png", "red")
    if image == "in the row":
        content = base64.b64encode((tmp_path / "red.png").read_bytes()).decode()
        image = f"data:image/png;base64,{content}"
    written(tmp_path, seen(image, "what", "red"), seen("gone.png", "what", "red"))
    long, gone = looked_at(replace(plan, data=data), tmp_path)
    assert long.problem is not None
    assert long.problem.reason == "over-length"
    assert long.roles["image"].tokens > 0
    assert long.roles["user"].tokens > 0
    assert gone.problem is not None
    assert (gone.problem.reason, gone.pieces) == ("image-missing", ())
