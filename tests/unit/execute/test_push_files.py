"""What an upload takes of a folder, and what it refuses to tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe_runner.cli.app import main
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.finished import open_run
from recipe_runner.execute.push.files import File, demand_no_local_paths, files_of, with_base
from recipe_runner.execute.push.package import Wanted, packaged
from tests.finished import adapter_files, finished_run, local_base
from tests.workshop import Workshop, recipe


def test_numbers_and_texts_go_and_pickles_and_states_stay(tmp_path: Path) -> None:
    names = (
        *("config.json", "model.safetensors", "merges.txt", "chat_template.jinja"),
        *("tokenizer.model", "training_args.bin", "optimizer.pt", "rng_state.pth", "x.pkl"),
        *("README.md", "trainer_state.json", "export.json", "merge.json"),
    )
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tools.jinja").write_bytes(b"")
    taken, left = files_of(tmp_path)
    assert [file.path for file in taken] == [
        "additional_chat_templates/tools.jinja",
        "chat_template.jinja",
        "config.json",
        "merges.txt",
        "model.safetensors",
        "tokenizer.model",
    ]
    assert left == ["optimizer.pt", "rng_state.pth", "training_args.bin", "x.pkl"]


def codes(call: object) -> list[str]:
    assert callable(call)
    with pytest.raises(DiagnosticError) as caught:
        call()
    return [found.code.id for found in caught.value.diagnostics]


def test_a_local_base_needs_a_name_on_the_hub(tmp_path: Path) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_bytes(adapter_files("/home/ada/bases/tiny")["adapter_config.json"])
    files = [File("adapter_config.json", path)]
    assert codes(lambda: with_base(files, None, tmp_path)) == ["RR644"]
    (named,) = with_base(files, "org/tiny", tmp_path)
    assert isinstance(named.content, bytes)
    assert json.loads(named.content) == {
        **json.loads(path.read_bytes()),
        "base_model_name_or_path": "org/tiny",
    }
    # The run's own file stays as it is, and a name that is right is not touched.
    assert b"/home/ada" in path.read_bytes()
    path.write_bytes(adapter_files("org/tiny")["adapter_config.json"])
    assert with_base(files, "org/tiny", tmp_path) == files


@pytest.mark.parametrize(
    ("name", "content", "refused"),
    [
        pytest.param("config.json", '{"_name_or_path": "/data/ada/m"}', True, id="config"),
        pytest.param("chat_template.jinja", "{# /data/ada/x #}", True, id="template"),
        pytest.param("config.json", '{"_name_or_path": "org/m"}', False, id="hub"),
        pytest.param("tokenizer.json", '{"/data/ada": 7}', False, id="vocabulary"),
    ],
)
def test_a_folder_of_this_machine_is_not_told(
    name: str, content: str, refused: bool, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    files, places = [File(name, path)], [Path("/data/ada"), Path("/")]
    if refused:
        assert codes(lambda: demand_no_local_paths(files, places)) == ["RR645"]
    else:
        demand_no_local_paths(files, places)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        pytest.param(
            ["--to", "org/tiny", "--base", "org/base", "--dry-run"], 0, "5 files", id="fine"
        ),
        pytest.param(["--base", "org/base", "--dry-run"], 2, "--to ORG/NAME", id="no-repository"),
        pytest.param(["--to", "tiny", "--dry-run"], 2, "no id of the form", id="no-organization"),
        pytest.param(["--to", "org/tiny", "--dry-run"], 3, "RR644", id="local-base"),
        pytest.param(
            ["--to", "org/tiny", "--dry-run", "--export", "gguf"], 3, "RR643", id="no-export"
        ),
        pytest.param(
            ["--to", "org/tiny", "--merged", "--export", "gguf"], 2, "leave --merged out", id="both"
        ),
    ],
)
def test_the_command_without_a_network(
    arguments: list[str],
    exit_code: int,
    words: str,
    shop: Workshop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = str(local_base(tmp_path))
    plan = shop.plan(recipe(name="tiny", model=base, adapter="lora"))
    finished_run(tmp_path / "run", plan, files={**adapter_files(base), "optimizer.pt": b"x"})
    assert main(["push", str(tmp_path / "run"), *arguments]) == exit_code
    out, err = capsys.readouterr()
    assert words in (err if exit_code else out)
    if exit_code == 0:
        assert "Left here: optimizer.pt" in out
        assert base not in out


def test_a_recipe_may_name_the_repository(
    shop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = str(local_base(tmp_path))
    plan = shop.plan(recipe(name="tiny", model=base, hub="org/of-the-recipe"))
    finished_run(tmp_path / "run", plan, files={"config.json": b"{}", "model.safetensors": b""})
    assert main(["push", str(tmp_path / "run"), "--dry-run"]) == 0
    assert "would go to org/of-the-recipe" in capsys.readouterr().out


@pytest.mark.parametrize("absolute", [False, True])
def test_a_recipe_tells_no_folder_of_its_rows(
    absolute: bool, shop: Workshop, tmp_path: Path
) -> None:
    plan = shop.plan(recipe())
    run = finished_run(tmp_path / "run", plan, files={"config.json": b"{}"})
    rows = plan.data.train[0].files[0] if absolute else "data/chat.jsonl"
    run.recipe_file.write_text(f"data: {{train: {rows}}}\n", encoding="utf-8")

    def package() -> None:
        wanted = Wanted("org/result")
        with packaged(
            open_run(run.path), wanted, license=None, told=lambda _: None, meter=lambda *_: None
        ):
            pass

    if absolute:
        assert codes(package) == ["RR645"]
    else:
        package()
