"""`recipe-run plan` shows what will run, and the same plan as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.plan import decode, encode
from tests.unit.cli.conftest import RECIPE, Command

MACHINE = ("--machine", "8xH100-80GB")


def test_json_is_the_canonical_plan_and_nothing_else(recipe_run: Command) -> None:
    done = recipe_run("plan", "recipe.yaml", *MACHINE, "--json")
    assert done.returncode == 0
    plan = decode(done.stdout)
    assert encode(plan) == done.stdout
    assert (plan.machine.kind, plan.launch.num_processes) == ("H100", 8)


def test_the_page_names_what_a_reader_looks_for(recipe_run: Command) -> None:
    done = recipe_run("plan", "recipe.yaml", *MACHINE)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    for expected in (
        "Qwen/Qwen3-0.6B",
        "bfloat16",
        "LoraConfig: r 16, lora_alpha 32, target_modules all-linear",
        "chat.jsonl: 32 rows, messages",
        "the assistant's turns",
        "16 sequences per step = 2 per process x 1 accumulation x 8 processes",
        "6 = 3 epochs x 2 steps",
        "peak 2e-4",
        "accelerate.commands.launch --config_file",
        "distributed_type MULTI_GPU",
        "HF_HUB_DISABLE_TELEMETRY=1",
        "runs/chat",
        "plan.json",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "data.deduplicate=exact",
            "duplicates training rows the same as an earlier one are removed",
        ),
        (
            "data.deduplicate={method: near, threshold: 0.9}",
            "training rows nearly the same (0.9 alike) as an earlier one are removed",
        ),
        (
            "adapter={type: lora, init_lora_weights: eva}",
            "eva_config (EvaConfig: upstream defaults)",
        ),
        (
            "data.eval=chat.jsonl",
            "duplicates training rows that are evaluated on are counted and reported",
        ),
        ("data.train={path: chat.jsonl, on_bad_row: drop}", "; rows with any fault are left out"),
        (
            "data.train={path: chat.jsonl, on_bad_row: {unreadable: drop, unknown_role: drop, "
            "consecutive_assistant: keep}}",
            "; rows with unreadable or unknown_role are left out; "
            "rows with consecutive_assistant are kept",
        ),
    ],
    ids=["exact", "near", "start-of-adapter", "leakage", "bad-rows", "bad-rows-by-kind"],
)
def test_the_page_says_what_was_chosen(recipe_run: Command, change: str, expected: str) -> None:
    done = recipe_run("plan", "recipe.yaml", *MACHINE, "--set", change)
    assert expected in " ".join(done.stdout.split()), done.stdout + done.stderr


@pytest.mark.parametrize("columns", [60, 80, 120, 300])
def test_the_page_fits_the_width(recipe_run: Command, columns: int) -> None:
    done = recipe_run(
        "plan", "recipe.yaml", *MACHINE, "--why", environment={"COLUMNS": str(columns)}
    )
    longest = max(done.stdout.splitlines(), key=len)
    # A path or an assignment is never broken, so that it can be copied.
    assert len(longest) <= min(columns, 120) or " " not in longest.strip(), longest


def test_every_decided_value_is_listed_with_its_reason(recipe_run: Command) -> None:
    plan = decode(recipe_run("plan", "recipe.yaml", *MACHINE, "--json").stdout)
    table = recipe_run("plan", "recipe.yaml", *MACHINE, "--why", environment={"COLUMNS": "120"})
    for each in plan.derived:
        line = next(line for line in table.stdout.splitlines() if line.startswith(each.path))
        assert each.because.split()[0] in line


def test_several_machines_get_a_place_to_meet(recipe_run: Command) -> None:
    done = recipe_run("plan", "-", *MACHINE, "--nodes", "2", "--json", text=RECIPE)
    config = decode(done.stdout).launch.accelerate_config
    assert config is not None
    assert (config["num_processes"], config["num_machines"]) == (16, 2)
    assert config["main_process_ip"] == "<address of the first machine>"
    text = RECIPE + "launch: {main_process_ip: 10.0.0.7}\n"
    done = recipe_run("plan", "-", *MACHINE, "--nodes", "2", "--json", text=text)
    config = decode(done.stdout).launch.accelerate_config
    assert config is not None
    assert config["main_process_ip"] == "10.0.0.7"


def test_a_recipe_with_errors_has_no_plan(recipe_run: Command) -> None:
    done = recipe_run("plan", "recipe.yaml", *MACHINE, "--num-processes", "9", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("--set launch.num_processes=9: RR")


def test_what_a_recipe_says_cannot_steer_the_terminal(recipe_run: Command) -> None:
    text = RECIPE + 'name: "\\e[31mred\\a"\n'
    done = recipe_run("plan", "-", *MACHINE, text=text)
    assert (done.returncode, "\x1b" in done.stdout, "\a" in done.stdout) == (0, False, False)


def test_planning_writes_nothing(recipe_run: Command, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    recipe_run("plan", "recipe.yaml", "--why")
    assert sorted(folder.rglob("*")) == before


def test_a_value_from_the_command_line_is_in_the_plan(recipe_run: Command) -> None:
    done = recipe_run("plan", "recipe.yaml", "--set", "training.max_steps=7", "--json")
    assert json.loads(done.stdout)["arguments"]["arguments"]["max_steps"] == 7


def test_the_rank_is_told_even_where_it_is_the_usual_one(recipe_run: Command) -> None:
    done = recipe_run("plan", "recipe.yaml", *MACHINE, "--set", "adapter={type: lora, r: 8}")
    assert "LoraConfig: r 8, lora_alpha 16, target_modules all-linear" in " ".join(
        done.stdout.split()
    )


def test_an_upload_is_told(recipe_run: Command) -> None:
    hub = "hub={hub_model_id: org/result, strategy: every_save}"
    done = recipe_run("plan", "recipe.yaml", *MACHINE, "--set", hub)
    assert "upload        org/result (private), every_save" in done.stdout
