from __future__ import annotations

from pathlib import Path

from recipe_runner.devtools.artefact import Drift, compare, difference, repair

PAGE = Path("docs/page.md")


def test_a_file_with_the_right_content_is_no_drift(tmp_path: Path) -> None:
    repair(tmp_path, Drift("missing", PAGE, "text\n"))
    assert compare(tmp_path, {PAGE: "text\n"}, [PAGE.parent]) == []


def test_stale_missing_and_surplus_files_are_told_apart_and_sorted(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/old.md").write_text("old\n")
    (tmp_path / "docs/page.md").write_text("before\n")
    artefacts = {PAGE: "after\n", Path("docs/fresh.md"): "fresh\n"}

    drifts = compare(tmp_path, artefacts, [Path("docs")])

    assert [(drift.kind, drift.path.name) for drift in drifts] == [
        ("missing", "fresh.md"),
        ("surplus", "old.md"),
        ("stale", "page.md"),
    ]


def test_a_file_outside_the_generated_folders_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("by hand\n")
    assert compare(tmp_path, {}, [Path("docs")]) == []


def test_repair_leaves_no_drift_and_removes_surplus_files(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/old.md").write_text("old\n")
    artefacts = {PAGE: "é\n", Path("docs/deep/fresh.md"): "fresh\n"}

    for drift in compare(tmp_path, artefacts, [Path("docs")]):
        repair(tmp_path, drift)

    assert compare(tmp_path, artefacts, [Path("docs")]) == []
    assert not (tmp_path / "docs/old.md").exists()
    assert (tmp_path / PAGE).read_bytes() == "é\n".encode()


def test_a_changed_line_ending_is_stale(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / PAGE).write_bytes(b"text\r\n")
    assert [drift.kind for drift in compare(tmp_path, {PAGE: "text\n"}, [])] == ["stale"]


def test_the_difference_shows_its_first_lines_only(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / PAGE).write_text("".join(f"{number}\n" for number in range(40)))
    shown = difference(tmp_path, Drift("stale", PAGE, "other\n"), lines=5).splitlines()
    assert shown[:2] == ["--- committed", "+++ generated"]
    # 2 lines of names, 1 of the place, 40 removed and 1 added make 44; 5 are shown.
    assert shown[5:] == ["... 39 more lines"]
