"""`recipe-run check` tells everything, in every form, the same on every machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import RECIPE, Command
from tests.unit.cli.terminal import on_terminal

MISSPELT = RECIPE.replace("adapter: lora", "adaptr: lora")


def test_a_recipe_without_faults_is_said_in_one_line(recipe_run: Command) -> None:
    done = recipe_run("check", "recipe.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to report in 1 file\n", "")


def test_all_files_are_told_at_once(recipe_run: Command, folder: Path) -> None:
    (folder / "a.yaml").write_text(MISSPELT, encoding="utf-8")
    (folder / "b.yaml").write_text("recipe: 1\n\tmodel: x\n", encoding="utf-8")
    done = recipe_run("check", "b.yaml", "gone.yaml", "a.yaml", "recipe.yaml")
    assert done.returncode == 1
    heads = [line.split(" ")[:2] for line in done.stdout.splitlines() if ": RR" in line]
    assert heads == [
        ["a.yaml:5:1:", "RR201"],
        ["b.yaml:2:1:", "RR101"],
        ["gone.yaml:1:1:", "RR001"],
    ]
    assert done.stdout.splitlines()[-1] == "3 errors in 4 files"


def test_a_folder_stands_for_its_yaml_files(recipe_run: Command, folder: Path) -> None:
    for name in ("deep/er/c.yml", "deep/a.yaml", ".hidden/x.yaml", "deep/.y.yaml", "deep/z.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x: 1\n", encoding="utf-8")
    done = recipe_run("check", "--format", "json", ".")
    paths = [found["place"]["path"] for found in json.loads(done.stdout)["diagnostics"]]
    assert list(dict.fromkeys(paths)) == ["deep/a.yaml", "deep/er/c.yml"]


def test_the_files_of_a_run_are_no_recipes(recipe_run: Command, folder: Path) -> None:
    run = folder / "runs" / "chat"
    run.mkdir(parents=True)
    for name in ("recipe.yaml", "accelerate.yaml", "plan.json", "run.json"):
        (run / name).write_text("x: 1\n", encoding="utf-8")
    done = recipe_run("check", ".")
    assert (done.returncode, done.stdout) == (0, "nothing to report in 1 file\n")


def test_standard_input_is_a_recipe_of_the_working_directory(recipe_run: Command) -> None:
    assert recipe_run("check", "-", text=RECIPE).returncode == 0
    done = recipe_run("check", "-", text=MISSPELT)
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "<stdin>")


def test_a_value_from_the_command_line_is_checked_at_its_argument(recipe_run: Command) -> None:
    done = recipe_run("check", "recipe.yaml", "--set", "training.learning_rate=fast")
    assert done.returncode == 1
    assert done.stdout.startswith("--set training.learning_rate=fast: RR203")


def test_a_section_from_the_command_line_is_checked_at_its_argument(recipe_run: Command) -> None:
    done = recipe_run("check", "recipe.yaml", "--set", "score.row=5")
    assert done.stdout.startswith("--set score.row=5: RR201")
    done = recipe_run("check", "recipe.yaml", "--set", "quantization.bnb_4bit_quant_type=nf4")
    assert done.stdout.startswith("--set quantization.bnb_4bit_quant_type=nf4: RR206")


@pytest.mark.parametrize("form", ["json", "sarif"])
@pytest.mark.parametrize("text", [RECIPE, MISSPELT], ids=["clean", "misspelt"])
def test_machine_readable_forms_parse_and_keep_the_exit_code(
    recipe_run: Command, form: str, text: str
) -> None:
    done = recipe_run("check", "-", "--format", form, text=text)
    report = json.loads(done.stdout)
    found = report["diagnostics"] if form == "json" else report["runs"][0]["results"]
    assert len(found) == (1 if text == MISSPELT else 0)
    assert done.returncode == len(found)


def test_github_gets_an_annotation(recipe_run: Command, folder: Path) -> None:
    (folder / "a.yaml").write_text(MISSPELT, encoding="utf-8")
    done = recipe_run("check", "a.yaml", "--format", "github")
    assert done.stdout.startswith("::error file=a.yaml,line=5,col=1,")


@pytest.mark.parametrize(
    ("line", "alone", "machine", "with_machine"),
    [
        pytest.param("launch: {num_processes: 8}", 0, "4xH100-80GB", 1, id="many-processes"),
        pytest.param("launch: {mixed_precision: bf16}", 0, "V100", 1, id="bf16"),
        pytest.param("launch: {mixed_precision: fp16}", 0, "cpu", 1, id="fp16-on-cpu"),
        pytest.param("launch: {use_cpu: true, num_processes: 2}", 0, "8xH100", 0, id="on-cpu"),
        pytest.param(
            "launch: {use_cpu: true, mixed_precision: fp16}", 1, "H100", 1, id="never-right"
        ),
    ],
)
def test_only_a_named_machine_is_checked_against(
    recipe_run: Command, line: str, alone: int, machine: str, with_machine: int
) -> None:
    text = f"{RECIPE}{line}\n"
    assert recipe_run("check", "-", text=text).returncode == alone
    assert recipe_run("check", "-", "--machine", machine, text=text).returncode == with_machine


def test_code_is_allowed_by_a_person_not_by_the_recipe(recipe_run: Command) -> None:
    text = RECIPE.replace(
        "model: Qwen/Qwen3-0.6B", "model: {name_or_path: org/id, trust_remote_code: true}"
    )
    asked = recipe_run("check", "-", text=text)
    assert (asked.returncode, "RR325 remote-code" in asked.stdout) == (1, True)
    allowed = recipe_run("check", "-", "--allow-code", text=text)
    assert (allowed.returncode, "RR325 note" in allowed.stdout) == (0, True)


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        pytest.param({}, True, id="terminal"),
        pytest.param({"NO_COLOR": "1"}, False, id="no-color"),
        pytest.param({"TERM": "dumb"}, False, id="dumb"),
    ],
)
def test_color_is_for_terminals(folder: Path, environment: dict[str, str], colored: bool) -> None:
    (folder / "a.yaml").write_text(MISSPELT, encoding="utf-8")
    code, shown = on_terminal(["check", "a.yaml"], folder, environment=environment)
    assert (code, "\x1b[" in shown) == (1, colored)


def test_no_color_goes_into_a_pipe(recipe_run: Command) -> None:
    assert "\x1b" not in recipe_run("check", "-", text=MISSPELT).stdout
