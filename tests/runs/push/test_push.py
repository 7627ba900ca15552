"""`recipe-run push` against a stand-in of the hub: what arrives, and what ends an upload."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.cli.app import main
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.exports.folder import write_receipt
from recipe_runner.execute.finished import open_run
from recipe_runner.execute.push.files import File, demand_no_local_paths
from recipe_runner.plan import Plan, digest
from tests.finished import RECIPE, adapter_files, finished_run, safetensors
from tests.runs.push.hub import TOKEN, Failure, Hub, serving
from tests.workshop import ADAPTER, Workshop, recipe

pytestmark = pytest.mark.runs
pytest.importorskip("huggingface_hub")


@pytest.fixture(name="hub")
def make_hub() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture(name="run")
def make_run(shop: Workshop, tmp_path: Path) -> Path:
    """A full fine-tune whose weights are in two files, with things in it that must stay."""
    first, second = (f"model-0000{n}-of-00002.safetensors" for n in (1, 2))
    index = {"weight_map": {"a": first, "b": second}}
    files = {
        "config.json": b"{}",
        first: safetensors({"a": [64]}),
        second: safetensors({"b": [32]}),
        "model.safetensors.index.json": json.dumps(index).encode(),
        "training_args.bin": b"a pickle",
        "optimizer.pt": b"a pickle",
        "trainer_state.json": b"{}",
        "README.md": b"the card of the run",
    }
    train = str(shop.folder / "data" / "chat.jsonl")
    plan = shop.plan(recipe(name="tiny", data={"train": train}, output_dir=str(tmp_path / "run")))
    finished_run(tmp_path / "run", plan, files=files)
    return tmp_path / "run"


def push(
    run: Path, hub: Hub, *arguments: str, token: str | None = TOKEN
) -> subprocess.CompletedProcess[str]:
    left_out = ("HF_TOKEN", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN")
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    variables |= {
        "HF_ENDPOINT": hub.address,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(run.parent / "hf"),
        **({} if token is None else {"HF_TOKEN": token}),
    }
    return subprocess.run(
        [sys.executable, "-m", "recipe_runner", "push", str(run), *arguments],
        cwd=run.parent,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_model_arrives_with_its_card_and_recipe_and_without_pickles(
    run: Path, hub: Hub, shop: Workshop
) -> None:
    # The hub is busy for a moment: the library asks again.
    hub.failures = [Failure(r"PUT /objects/", 503, 1)]
    hub.cards["org/model"] = {"license": "apache-2.0"}
    done = push(run, hub, "--to", "org/tiny", "--base", "org/model", "--revision", "v1")
    assert done.returncode == 0, done.stdout + done.stderr
    branches = hub.repositories["org/tiny"]
    there = branches["v1"]
    assert sorted(there) == [
        "README.md",
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "recipe.yaml",
    ]
    assert there["model-00001-of-00002.safetensors"] == safetensors({"a": [64]})
    assert there["recipe.yaml"].decode() == RECIPE
    card = there["README.md"].decode()
    assert 'license: "apache-2.0"' in card
    assert 'base_model: "org/model"' in card
    assert len(hub.requests("PUT /objects/")) == 3
    assert hub.private["org/tiny"]
    assert branches["main"] == {}
    assert "Left here: optimizer.pt, training_args.bin" in done.stdout
    sent = card + done.stdout + done.stderr
    assert TOKEN not in sent
    assert "chat.jsonl" in card
    assert str(run.parent) not in card
    assert str(shop.folder) not in card


def placed(folder: Path, where: str) -> dict[str, Any]:
    """A recipe with one path below `folder`, as `where` says."""
    (folder / "a.jinja").write_text("{{ messages }}", encoding="utf-8")
    (folder / "adapter").mkdir(exist_ok=True)
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(ADAPTER), encoding="utf-8")
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(safetensors({"a": [1]}))
    values: dict[str, dict[str, Any]] = {
        "template": {"tokenizer": {"chat_template": {"file": str(folder / "a.jinja")}}},
        "adapter": {"model": {"name_or_path": "org/model-id", "adapter": str(folder / "adapter")}},
        # The run was moved since.
        "output": {"output_dir": str(folder / "runs" / "old")},
        "data": {"data": {"train": str(folder / "data" / "chat.jsonl")}},
    }
    return recipe(name="tiny", **values[where])


@pytest.mark.parametrize("where", ["template", "adapter", "output", "data"])
def test_a_recipe_that_names_a_folder_of_this_machine_stays_here(
    where: str, shop: Workshop, hub: Hub, tmp_path: Path
) -> None:
    asked = placed(shop.folder, where)
    run = finished_run(tmp_path / "run", shop.plan(asked), files={"config.json": b"{}"})
    run.recipe_file.write_text(json.dumps(asked), encoding="utf-8")
    done = push(run.path, hub, "--to", "org/tiny", "--dry-run")
    assert (done.returncode, "RR645 " in done.stderr) == (3, True), done.stderr
    assert f"recipe.yaml names the folder {shop.folder}" in done.stderr


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        pytest.param("tokenizer: /ada/models/tok", True, id="home"),
        pytest.param("file:///ada/x", True, id="address"),
        pytest.param(json.dumps({"text": "line\n/ada/x"}), True, id="after-escape"),
        pytest.param(json.dumps({"cache": "/home/bj\u00f6rn/x"}), True, id="escaped"),
        pytest.param("cache: /home/bj\u00f6rn/x", True, id="plain"),
        pytest.param("see https://x.org/data/models/y", False, id="of-the-network"),
        pytest.param("path: /data/models-of-all", False, id="longer-name"),
        pytest.param("half/ada", False, id="end-of-a-path"),
    ],
)
def test_a_file_is_searched_for_folders_of_this_machine(
    text: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/ada")
    places = [Path("/ada"), Path("/home/bj\u00f6rn"), Path("/data/models"), Path("/")]
    with pytest.raises(DiagnosticError, match="RR645") if refused else nullcontext():
        demand_no_local_paths([File("recipe.yaml", text.encode())], places)


def test_a_second_try_sends_what_has_not_arrived(run: Path, hub: Hub) -> None:
    hub.failures = [Failure(r"POST /api/models/org/tiny/commit/", 400, 1)]
    second = "model-00002-of-00002.safetensors"
    broken = push(run, hub, "--to", "org/tiny")
    assert broken.returncode == 4
    assert "RR745" in broken.stderr
    assert hub.repositories["org/tiny"]["main"] == {}
    # One of the two files is changed meanwhile, the other is with the hub already.
    (run / "model" / second).write_bytes(safetensors({"b": [33]}))
    hub.lines.clear()
    done = push(run, hub, "--to", "org/tiny")
    assert done.returncode == 0, done.stderr
    assert len(hub.requests("PUT /objects/")) == 1
    assert hub.repositories["org/tiny"]["main"][second] == safetensors({"b": [33]})
    # The third time nothing is new, and no commit is made.
    hub.lines.clear()
    assert push(run, hub, "--to", "org/tiny").returncode == 0
    assert hub.requests("PUT |/commit/") == []


OTHERS = {
    "README.md": b"---\n---\n",
    "notes.txt": b"of a person",
    "model-q4_0.gguf": b"beside",
    "model_card.safetensors.md": b"beside",
}
"""What stays in a repository whatever is uploaded."""


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(["model.safetensors"], id="one-file"),
        pytest.param(["adapter_config.json", "adapter_model.safetensors"], id="adapter"),
        pytest.param([f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)], id="shards"),
    ],
)
def test_weights_of_an_earlier_upload_go_with_the_same_commit(
    old: list[str], run: Path, hub: Hub
) -> None:
    there = {**OTHERS, **dict.fromkeys(old, b"old weights")}
    hub.repositories["org/tiny"] = {"main": dict(there), "v1": dict(there)}
    done = push(run, hub, "--to", "org/tiny", "--revision", "v1")
    assert done.returncode == 0, done.stderr
    left = hub.repositories["org/tiny"]["v1"]
    assert not set(old) & set(left)
    assert set(OTHERS) < set(left)
    assert "model.safetensors.index.json" in left
    assert f"taking out what an earlier upload left: {', '.join(old)}" in done.stdout
    # The other branch is as it was, and everything came with one commit.
    assert hub.repositories["org/tiny"]["main"] == there
    assert len(hub.requests("/commit/")) == 1


@pytest.mark.parametrize(
    ("token", "failures", "exit_code", "code"),
    [
        pytest.param(None, [], 3, "RR642", id="no-token"),
        pytest.param("hf_wrong", [], 4, "RR743", id="wrong-token"),
        pytest.param(TOKEN, [Failure("create", 403, 1)], 4, "RR743", id="not-ours"),
        pytest.param(TOKEN, [Failure("preupload", 404, 1)], 4, "RR744", id="gone"),
    ],
)
def test_a_refusal_is_a_diagnostic(
    token: str | None, failures: list[Failure], exit_code: int, code: str, run: Path, hub: Hub
) -> None:
    hub.failures = failures
    done = push(run, hub, "--to", "org/tiny", token=token)
    assert done.returncode == exit_code, done.stderr
    assert f"{code} " in done.stderr
    assert "Traceback" not in done.stderr
    assert hub.repositories.get("org/tiny", {"main": {}})["main"] == {}


def test_a_hub_that_is_away_is_a_diagnostic(run: Path) -> None:
    done = push(run, Hub(address="http://127.0.0.1:9"), "--to", "org/tiny")
    assert done.returncode == 4, done.stderr
    assert "RR707 " in done.stderr


def test_a_dry_run_asks_nothing_of_the_hub(run: Path, hub: Hub) -> None:
    done = push(run, hub, "--to", "org/tiny", "--dry-run", token=None)
    assert done.returncode == 0, done.stderr
    assert hub.lines == []
    assert "6 files" in done.stdout
    assert 'from_pretrained("org/tiny")' in done.stdout


def export_of(run: Path, plan: Plan) -> Path:
    """What an export leaves, as far as an upload looks."""
    folder = run / "export" / "gguf"
    folder.mkdir(parents=True)
    (folder / "tiny-q8_0.gguf").write_bytes(b"weights")
    write_receipt(folder, target="gguf", type="q8_0", plan=digest(plan), made="2026-01-01")
    return folder


def test_an_export_is_sent_where_it_is_of_the_model(run: Path, hub: Hub, shop: Workshop) -> None:
    plan = open_run(run).plan
    folder = export_of(run, plan)
    good = push(run, hub, "--to", "org/tiny", "--export", "gguf", "--dry-run")
    assert (good.returncode, "tiny-q8_0.gguf" in good.stdout) == (0, True), good.stderr
    # The model is trained again, or by another recipe in the same directory.
    later = (folder / "export.json").stat().st_mtime + 10
    os.utime(run / "model" / "model-00001-of-00002.safetensors", (later, later))
    retrained = push(run, hub, "--to", "org/tiny", "--export", "gguf", "--dry-run")
    os.utime(run / "model" / "model-00001-of-00002.safetensors", (1, 1))
    other = shop.plan(recipe(name="other"))
    write_receipt(folder, target="gguf", type="q8_0", plan=digest(other), made="2026-01-01")
    replanned = push(run, hub, "--to", "org/tiny", "--export", "gguf", "--dry-run")
    for refused in (retrained, replanned):
        assert (refused.returncode, "RR643 " in refused.stderr) == (3, True), refused.stderr
        assert "--to gguf --overwrite" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "adapter", "words"),
    [
        pytest.param({}, False, 'AutoModelForCausalLM.from_pretrained("org/tiny")', id="words"),
        pytest.param(
            {"algorithm": "reward", "data": {"train": "data/preference.jsonl"}},
            False,
            'AutoModelForSequenceClassification.from_pretrained("org/tiny")',
            id="judge",
        ),
        pytest.param(
            {
                "algorithm": "reward",
                "data": {"train": "data/preference.jsonl"},
                "adapter": "lora",
            },
            True,
            'AutoPeftModelForSequenceClassification.from_pretrained("org/tiny", num_labels=1)',
            id="judging-adapter",
        ),
    ],
)
def test_the_card_loads_the_model_by_its_class(
    changes: dict[str, Any], adapter: bool, words: str, shop: Workshop, hub: Hub, tmp_path: Path
) -> None:
    files = adapter_files("org/model-id") if adapter else {"config.json": b"{}"}
    finished_run(tmp_path / "run", shop.plan(recipe(name="tiny", **changes)), files=files)
    done = push(tmp_path / "run", hub, "--to", "org/tiny", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"model = {words}" in done.stdout


@pytest.mark.parametrize("option", ["--to", "--base"])
@pytest.mark.parametrize("name", ["org/a--b", "org/a..b", "org/-a", "org/a.git", "a"])
def test_an_id_that_the_hub_does_not_take_is_wrong_usage(
    option: str, name: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run), "--to", "org/tiny", option, name]) == 2
    assert f"`{name}` is no id" in capsys.readouterr().err


def test_an_adapter_names_its_base_as_it_is_on_the_hub(
    shop: Workshop, hub: Hub, tmp_path: Path
) -> None:
    files = adapter_files(str(tmp_path / "bases" / "tiny"))
    run = tmp_path / "run"
    plan = shop.plan(recipe(name="tiny", adapter="lora"))
    finished_run(run, plan, files=files)
    done = push(run, hub, "--to", "org/tiny", "--base", "org/base")
    assert done.returncode == 0, done.stderr
    there = hub.repositories["org/tiny"]["main"]
    assert json.loads(there["adapter_config.json"])["base_model_name_or_path"] == "org/base"
    assert "base_model_relation: adapter" in there["README.md"].decode()
    assert json.loads((run / "model" / "adapter_config.json").read_bytes()) != json.loads(
        there["adapter_config.json"]
    )
