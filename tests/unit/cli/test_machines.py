"""A machine that was measured: by its file, or because the command runs on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.execute.machine_file import described, place_of, text_of
from recipe_runner.execute.probe import this_machine
from recipe_runner.plan import MachinePlan, decode
from tests.unit.cli.conftest import Command


def measured(base: MachinePlan) -> MachinePlan:
    return replace(base, flops={"float32": 1e12, "bfloat16": 2e12}, bandwidth=1e11)


def write(path: Path, described_: MachinePlan) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(described(described_, {})), encoding="utf-8")


def told(page: str, label: str) -> str:
    lines = page.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"  {label} "))
    more = [line for line in lines[start + 1 :] if not line[2:3].strip()]
    end = next((n for n, line in enumerate(lines[start + 1 :]) if line[2:3] != " "), len(more))
    return " ".join(" ".join(lines[start : start + 1 + end]).split())


def test_a_file_gives_time_energy_and_price(recipe_run: Command, folder: Path) -> None:
    priced = replace(
        measured(machine("1xH100-80GB")), watts=700.0, price_per_hour=2.5, currency="EUR"
    )
    write(folder / "machine.yaml", priced)
    done = recipe_run("plan", "recipe.yaml", "--machine", "machine.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    time, energy, price = (told(done.stdout, label) for label in ("time", "energy", "price"))
    assert time.startswith("time up to ")
    assert " for 6 steps: " in time
    assert time.endswith("tokens/s on full rows, within 30%")
    assert energy.startswith("energy up to ")
    assert energy.endswith(" kWh")
    assert price.endswith(" EUR")
    assert "machine machine.yaml: 1 x H100, 80 GiB, 8 cores" in told(done.stdout, "machine")
    plan = decode(recipe_run("plan", "recipe.yaml", "--machine", "machine.yaml", "--json").stdout)
    assert plan.machine.flops["bfloat16"] == 2e12
    assert plan.cost is not None
    assert plan.cost.seconds_per_step is not None
    # The numbers of the page are those of the plan.
    assert f"{plan.cost.tokens_per_second:,.0f} tokens/s" in time
    assert plan.steps.total == 6
    hours = 6 * plan.cost.seconds_per_step / 3600
    assert energy == f"energy up to {hours * 0.7:.2g} kWh"
    assert price == f"price up to {hours * 2.5:.2g} EUR"


def test_a_name_gives_no_time(recipe_run: Command) -> None:
    done = recipe_run("plan", "recipe.yaml", "--machine", "1xH100-80GB")
    assert not any(line.startswith("  time ") for line in done.stdout.splitlines())


def test_this_machine_is_taken_from_the_cache(recipe_run: Command, tmp_path: Path) -> None:
    cache = {"RECIPE_RUNNER_CACHE": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": ""}
    before = recipe_run("plan", "recipe.yaml", environment=cache)
    assert told(before.stdout, "time").endswith("`recipe-run calibrate` measures this machine")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cache.items():
            patch.setenv(name, value)
        path = place_of(this_machine())
        write(path, measured(replace(this_machine(), memory_gib=1.5)))
        here = this_machine()
    plan = decode(recipe_run("plan", "recipe.yaml", "--json", environment=cache).stdout)
    assert plan.machine == measured(here)
    # Another machine's measurement does not count.
    write(path, measured(replace(here, cpus=here.cpus + 1)))
    plan = decode(recipe_run("plan", "recipe.yaml", "--json", environment=cache).stdout)
    assert plan.machine == here


def test_a_wrong_file_in_the_cache_is_told_and_stops_nothing(
    recipe_run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = {"RECIPE_RUNNER_CACHE": str(tmp_path / "cache")}
    monkeypatch.setenv("RECIPE_RUNNER_CACHE", cache["RECIPE_RUNNER_CACHE"])
    path = place_of(this_machine())
    write(path, measured(this_machine()))
    path.write_text(path.read_text(encoding="utf-8") + "price_per_hour: much\n", encoding="utf-8")
    done = recipe_run("plan", "recipe.yaml", "--json", environment=cache)
    assert done.returncode == 0
    assert json.loads(done.stdout)["machine"]["flops"] == {}
    assert "RR417" in done.stderr
    assert "warning" in done.stderr
    assert "price_per_hour: much" in done.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(None, "RR001", id="not there"),
        pytest.param("version: 1\n", "RR417", id="malformed"),
        pytest.param("version: [\n", "RR1", id="not YAML"),
    ],
)
@pytest.mark.parametrize("command", ["check", "plan"])
def test_a_wrong_file_is_wrong_usage(
    recipe_run: Command, folder: Path, command: str, text: str | None, code: str
) -> None:
    if text is not None:
        (folder / "machine.yaml").write_text(text, encoding="utf-8")
    done = recipe_run(command, "recipe.yaml", "--machine", "machine.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert code in done.stderr
    assert "machine.yaml:" in done.stderr
