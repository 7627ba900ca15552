"""Python files that a recipe names are looked at, whatever they are, and never run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipe_runner.diagnostics import DiagnosticError, Place
from recipe_runner.survey.code import LARGEST, survey_code

DEEP = {
    "a sum": "x = " + "1+" * 200_000 + "1",
    "attributes": "x = a" + ".a" * 200_000,
    "calls": "x = f" + "()" * 200_000,
    "signs": "x = " + "-" * 900_000 + "1",
    "a ladder": "if 1: pass\n" + "elif 1: pass\n" * 60_000,
}


def refusal(path: str, folder: Path, function: str = "judge") -> str:
    with pytest.raises(DiagnosticError) as raised:
        survey_code(path, function, folder, Place("recipe.yaml"))
    (found,) = raised.value.diagnostics
    assert found.code.id == "RR416"
    return found.message


def test_a_device_is_not_read(tmp_path: Path) -> None:
    assert refusal("/dev/zero", tmp_path) == "`/dev/zero` is no regular file"


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "judge.py")
    assert refusal("judge.py", tmp_path) == "`judge.py` is no regular file"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(".", tmp_path) == "`.` is no regular file"


def test_a_file_may_be_as_large_as_it_says_and_no_larger(tmp_path: Path) -> None:
    code = b"def judge(): ...\n#"
    file = tmp_path / "judge.py"
    file.write_bytes(code + b" " * (LARGEST - len(code)))
    assert survey_code("judge.py", "judge", tmp_path, Place("r")).file == str(file)
    with file.open("ab") as more:
        more.write(b" ")
    assert refusal("judge.py", tmp_path) == "`judge.py` has more than 1 MiB, and is not read"
    os.truncate(file, 1 << 40)  # sparse: it takes no room, and would take all memory
    assert "has more than 1 MiB" in refusal("judge.py", tmp_path)


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_code_without_a_bottom_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(text, encoding="utf-8")
    told = "`judge.py` is no Python that can be read: it is nested too deep"
    assert refusal("judge.py", tmp_path) == told


@pytest.mark.parametrize(
    ("text", "where"), [("def judge(:\n", ", line 1"), ("x = 1\nreturn = 2\n", ", line 2")]
)
def test_a_slip_is_told_with_its_line(text: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(text, encoding="utf-8")
    assert refusal("judge.py", tmp_path) == f"`judge.py` is no Python that can be read{where}"


THERE = {
    "a function": "def judge(): ...",
    "async": "async def judge(): ...",
    "a class": "class judge: ...",
    "assigned": "from functools import partial\njudge = partial(print)",
    "assigned with a type": "judge: object = print",
    "one of several": "a, (judge, *b) = 1, (print, 2)",
    "imported": "from package import judge",
    "imported by another name": "from package import other as judge",
    "a module": "import judge.part",
    "what a package offers": "from package import *",
    "under if": "if True:\n    pass\nelse:\n    def judge(): ...",
    "under try": "try:\n    import x\nexcept ImportError:\n    def judge(): ...",
    "under finally": "try:\n    pass\nfinally:\n    judge = print",
    "under with": "with open('x') as file:\n    if file:\n        def judge(): ...",
    "under match": "match 1:\n    case 1:\n        judge = print",
}


@pytest.mark.parametrize("text", THERE.values(), ids=THERE)
def test_names_of_a_file_are_found_wherever_they_are_made(text: str, tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(text, encoding="utf-8")
    facts = survey_code("judge.py", "judge", tmp_path, Place("r"))
    assert facts.file == str(tmp_path / "judge.py")


ELSEWHERE = {
    "in a function": ("def f():\n    def judge(): ...", "`f`"),
    "in a class": ("class C:\n    def judge(self): ...", "`C`"),
    "declared alone": ("judge: object", "none"),
    "used": ("x = judge", "`x`"),
    "of a comprehension": ("x = [judge for judge in range(3)]", "`x`"),
    "of a module": ("import package.judge", "`package`"),
    "its old name": ("from package import judge as other", "`other`"),
    "many": ("\n".join(f"a{n} = 1" for n in range(9)), "`a0`, `a1`, `a2`, `a3`, `a4`, `a5`, "
             "`a6`, `a7` and 1 more"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "have"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_names_that_are_not_of_the_file_do_not_count(text: str, have: str, tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(text, encoding="utf-8")
    told = f"`judge.py` defines no function `judge`; it defines {have}"
    assert refusal("judge.py", tmp_path) == told
