"""Each code is triggered by the example on its page, and its advice is clean.

What the command prints for an example is kept in `diagnostics/<code>/`; `pytest
--update-golden` writes it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_runner.catalogue import catalogue
from recipe_runner.diagnostics import Code
from tests.golden.file import Golden
from tests.golden.pages import examples, near_misses, shown

TESTS = Path(__file__).parents[1]

TRIGGERED_ELSEWHERE = {
    **dict.fromkeys(
        ("RR001", "RR002", "RR003", "RR004", "RR005", "RR006", "RR007", "RR008"),
        "unit/syntax/test_read.py",
    ),
    **dict.fromkeys(("RR010", "RR011", "RR012"), "unit/syntax/test_overrides.py"),
    "RR414": "unit/survey/test_survey.py",
    **dict.fromkeys(("RR415", "RR417"), "unit/compiler/test_machine.py"),
    **dict.fromkeys(
        ("RR422", "RR424", "RR443", "RR425", "RR426", "RR427", "RR428", "RR431"),
        "runs/data/test_bad_rows.py",
    ),
    **dict.fromkeys(("RR460", "RR461"), "runs/data/test_duplicates.py"),
    "RR451": "runs/preview/test_golden.py",
    **dict.fromkeys(("RR452", "RR453"), "runs/preview/test_parity.py"),
    **dict.fromkeys(("RR436", "RR439"), "runs/data/test_elsewhere.py"),
    "RR712": "runs/train/test_processes.py",
    "RR423": "runs/tokenize/test_turns.py",
    **dict.fromkeys(("RR429", "RR430"), "runs/data/test_cache.py"),
    "RR455": "runs/data/test_damage.py",
    **dict.fromkeys(
        ("RR604", "RR606", "RR607", "RR608", "RR609", "RR610", "RR611"),
        "runs/train/test_run_directory.py",
    ),
    **dict.fromkeys(
        ("RR601", "RR602", "RR614", "RR702", "RR705", "RR706", "RR708", "RR709", "RR710", "RR711"),
        "runs/train/test_failures.py",
    ),
    **dict.fromkeys(("RR713", "RR714", "RR715", "RR716"), "runs/train/test_failures.py"),
    **dict.fromkeys(("RR703", "RR704"), "runs/train/test_stopping.py"),
    "RR701": "runs/train/test_processes.py",
    "RR901": "runs/train/test_failures.py",
    "RR446": "runs/packing/test_runs.py",
    **dict.fromkeys(("RR617", "RR717", "RR718"), "runs/rewards/test_functions.py"),
    "RR719": "runs/rewards/test_model.py",
    **dict.fromkeys(("RR465", "RR466", "RR467", "RR468"), "runs/vision/test_batches.py"),
    "RR469": "runs/vision/test_tokens.py",
    **dict.fromkeys(
        ("RR603", "RR605", "RR612", "RR613", "RR615", "RR707"),
        "unit/execute/test_before_a_run.py",
    ),
    "RR616": "runs/generation/test_look.py",
    "RR618": "runs/estimate/test_traced.py",
    "RR721": "runs/algorithms/test_mended.py",
    "RR720": "runs/generation/test_serving.py",
    **dict.fromkeys(("RR333", "RR335"), "unit/compiler/test_quantized.py"),
    **dict.fromkeys(("RR626", "RR627"), "unit/execute/test_finished.py"),
    **dict.fromkeys(("RR628", "RR629", "RR630", "RR631"), "runs/chat/test_loading.py"),
    "RR632": "runs/chat/test_servable.py",
    **dict.fromkeys(("RR640", "RR641"), "runs/exports/test_export.py"),
    "RR642": "runs/push/test_push.py",
    **dict.fromkeys(("RR643", "RR644", "RR645"), "unit/execute/test_push_files.py"),
    **dict.fromkeys(("RR722", "RR723"), "runs/adapters/test_stacked.py"),
    **dict.fromkeys(("RR731", "RR733", "RR734", "RR735", "RR736"), "runs/merge/test_refusals.py"),
    "RR340": "unit/compiler/test_fits.py",
    "RR724": "runs/speed/test_levers.py",
    "RR732": "runs/merge/test_methods.py",
    **dict.fromkeys(("RR737", "RR738", "RR739", "RR740"), "runs/exports/test_gguf.py"),
    **dict.fromkeys(("RR743", "RR744", "RR745"), "runs/push/test_push.py"),
}
"""Codes that a recipe alone cannot trigger, and the test that does."""

CODES = [code for code in catalogue().values() if code.id not in TRIGGERED_ELSEWHERE]
each_code = pytest.mark.parametrize("code", CODES, ids=[code.id for code in CODES])


@each_code
def test_example_triggers_its_code(code: Code, tmp_path: Path, golden: Golden) -> None:
    found = examples(code)
    assert found, f"{code.id} has no example, and no test in TRIGGERED_ELSEWHERE"
    for number, example in enumerate(found, 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = example.check(folder)
        # A note stands beside whatever else a recipe says.
        told = {d.code.id for d in report if d.severity != "note"} or {d.code.id for d in report}
        assert told == {code.id}
        for line in example.marked_lines(code):
            assert line in [
                d.place.span.start.line for d in report if d.place.path == "recipe.yaml"
            ]
        golden(f"diagnostics/{code.id}/example-{number}.out", shown(report, folder))


@each_code
def test_advice_is_a_near_miss(code: Code, tmp_path: Path) -> None:
    found = near_misses(code)
    assert found
    for number, miss in enumerate(found, 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        told = [f"{d.code.id}: {d.message}" for d in miss.check(folder) if d.severity != "note"]
        assert told == []


@pytest.mark.parametrize("code", sorted(TRIGGERED_ELSEWHERE))
def test_code_is_named_by_the_test_that_triggers_it(code: str) -> None:
    assert code in catalogue()
    text = (TESTS / TRIGGERED_ELSEWHERE[code]).read_text(encoding="utf-8")
    assert code in text or catalogue()[code].name in text


def test_golden_files_belong_to_codes() -> None:
    folders = {path.name for path in (TESTS / "golden" / "diagnostics").iterdir()}
    assert folders <= {code.id for code in CODES}
