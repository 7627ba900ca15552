"""A row with images as a person sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recipe_runner.execute.data.build import bench_of
from recipe_runner.execute.data.cache import Store
from recipe_runner.execute.data.hashes import FileHashes
from recipe_runner.execute.data.work import Task, outcomes
from recipe_runner.execute.preview.row import Lens, Source
from recipe_runner.execute.tokenizer import load_tokenizer
from tests.runs.vision.families import Family
from tests.runs.vision.plans import vision_plan

pytestmark = pytest.mark.runs


def test_images_are_one_piece_each_and_have_a_role(family: Family, tmp_path: Path) -> None:
    plan = vision_plan(family.folder, tmp_path)
    plan = replace(plan, data=replace(plan.data, num_proc=1))
    (source,) = plan.data.train
    tokenizer = load_tokenizer(plan.tokenizer)
    store = Store(tmp_path / "cache")
    hashes = FileHashes(store.root).of(source.files)
    bench = bench_of(plan, source, 0, tokenizer, store, tmp_path / "work", hashes)
    lens = Lens.of(bench, Source("train", 1, source.path), tokenizer, plan.recipe_path)
    (chunk,) = bench.reader.rows.chunks
    (row,) = lens.rows(outcomes(bench, Task(0, chunk))[0])
    assert "".join(piece.text for piece in row.pieces if piece.trained) == "red!<|im_end|>"
    assert row.roles["image"].trained == 0
    assert row.roles["user"].tokens > 0
    filled = [piece for piece in row.pieces if set(piece.ids) <= family.fill]
    assert all(f" x {len(piece.ids)}" in piece.text for piece in filled if len(piece.ids) > 1)
    assert sum(len(piece.ids) for piece in row.pieces) == row.tokens
