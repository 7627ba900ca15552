"""`recipe-run export`: what it leaves behind, and that it leaves nothing when it fails."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recipe_runner.cli.app import main
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.exports.export import Exported, export
from recipe_runner.execute.exports.folder import appearing
from recipe_runner.execute.exports.target import Job, Target, targets
from recipe_runner.execute.finished import FinishedRun, open_run
from recipe_runner.plan import Requirement
from tests.finished import adapter_files, finished_run
from tests.runs.exports import models
from tests.workshop import Workshop, recipe

pytestmark = pytest.mark.runs
torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")


def ignored(*told: object) -> None:
    del told


@pytest.fixture(name="llama", scope="module")
def make_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    models.tokenizer(folder, models.QWEN2)
    models.decoder(folder, "llama", hidden_size=128, intermediate_size=256)
    return folder


@pytest.fixture(name="run")
def make_run(llama: Path, shop: Workshop, tmp_path: Path) -> FinishedRun:
    """A run that trained the whole model."""
    files = {path.name: path.read_bytes() for path in llama.iterdir()}
    plan = shop.plan(recipe(name="my model", model=str(llama)))
    finished_run(tmp_path / "run", plan, files=files)
    return open_run(tmp_path / "run")


def exported(run: FinishedRun, target: str = "gguf", **options: Any) -> Exported:
    return export(run, targets()[target], **{"told": ignored, "meter": ignored, **options})


def codes(run: FinishedRun, target: Target, **options: Any) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        export(run, target, **{"told": ignored, "meter": ignored, **options})
    return [found.code.id for found in caught.value.diagnostics]


def test_an_export_stands_in_its_folder_with_a_receipt(run: FinishedRun) -> None:
    made = exported(run, trial=False)
    assert made.folder == run.run.path / "export" / "gguf"
    assert list(made.files) == ["my-model-f32.gguf"]
    receipt = json.loads((made.folder / "export.json").read_text(encoding="utf-8"))
    assert receipt["files"] == {
        "my-model-f32.gguf": (made.folder / "my-model-f32.gguf").stat().st_size
    }
    # It is not replaced unless that was asked for, and then nothing of it stays.
    assert codes(run, targets()["gguf"]) == ["RR641"]
    assert list(exported(run, type="q8_0", overwrite=True, trial=False).files) == [
        "my-model-q8_0.gguf"
    ]
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "export.json",
        "my-model-q8_0.gguf",
    ]


def test_a_folder_with_other_things_is_never_replaced(run: FinishedRun, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter-1.txt").write_text("words", encoding="utf-8")
    found = codes(run, targets()["gguf"], out=tmp_path / "thesis", overwrite=True)
    assert found == ["RR641"]
    assert (tmp_path / "thesis" / "chapter-1.txt").read_text(encoding="utf-8") == "words"


def test_an_interrupted_export_leaves_nothing_behind(run: FinishedRun) -> None:
    def interrupted(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported(run, meter=interrupted)
    assert list((run.run.path / "export").iterdir()) == []


def test_what_a_killed_export_left_is_swept(run: FinishedRun) -> None:
    # A process that has ended, whose number nobody else can have taken within the test.
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    export = run.run.path / "export"
    # This process' own number was another's before: numbers begin anew in a container.
    left = [export / f".gguf.{number}.0a1b2c3d.tmp" for number in (ended.pid, os.getpid())]
    alive = export / f".gguf.{os.getppid()}.0a1b2c3d.tmp"
    other = export / ".gguf.of-a-person"
    for folder in (*left, alive, other):
        folder.mkdir(parents=True)
    exported(run, trial=False)
    assert [folder.exists() for folder in (*left, alive, other)] == [False, False, True, True]


def test_what_was_moved_away_comes_back_where_its_process_was_killed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old = tmp_path / f".out.{ended.pid}.0a1b2c3d.old"
    old.mkdir()
    (old / "x").write_text("before", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), appearing(tmp_path / "out"):
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "x").read_text(encoding="utf-8") == "before"


def test_a_link_keeps_leading_to_the_folder(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        (tmp_path / "disk" / name).mkdir(parents=True)
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    (tmp_path / "disk" / "full" / "old").write_text("", encoding="utf-8")
    for name in ("empty", "full"):
        with appearing(tmp_path / name) as partial:
            (partial / "new").write_text("", encoding="utf-8")
        assert (tmp_path / name).is_symlink()
        assert [path.name for path in (tmp_path / "disk" / name).iterdir()] == ["new"]
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["empty", "full"]


def test_a_place_that_takes_no_folder_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    # The one mount point that every machine has, and nobody replaces.
    for place, words in ((tmp_path / "file" / "x", "a file"), (Path("/proc"), "mount point")):
        with (
            pytest.raises(DiagnosticError, match=f"RR604.*{words}"),
            appearing(place),
        ):
            raise AssertionError("nothing is written there")


@pytest.mark.parametrize(
    ("target", "bits"), [("bnb_4bit", 4), ("bnb_8bit", 8)], ids=["bnb_4bit", "bnb_8bit"]
)
def test_bitsandbytes_weights_load_again_and_are_small(
    target: str, bits: int, run: FinishedRun
) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM

    made = exported(run, target)
    assert "those that were saved" in made.checked[0]
    config = json.loads((made.folder / "config.json").read_text(encoding="utf-8"))
    assert config["quantization_config"][f"load_in_{bits}bit"] is True
    loaded = AutoModelForCausalLM.from_pretrained(made.folder)
    whole = AutoModelForCausalLM.from_pretrained(run.run.model)
    name = "model.layers.0.mlp.up_proj.weight"
    sizes = [
        next(p.nbytes for key, p in model.named_parameters() if key == name)
        for model in (loaded, whole)
    ]
    assert sizes[0] * 32 == sizes[1] * bits
    assert (made.folder / "chat_template.jinja").is_file()


def test_weights_that_are_not_finite_are_refused(run: FinishedRun) -> None:
    pytest.importorskip("bitsandbytes")
    from safetensors.torch import load_file, save_file

    path = run.run.model / "model.safetensors"
    weights = load_file(path)
    weights["model.layers.1.mlp.up_proj.weight"][2, 2] = float("inf")
    save_file(weights, path, metadata={"format": "pt"})
    assert codes(run, targets()["bnb_8bit"], trial=False) == ["RR703"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("AutoModelForSequenceClassification", "gives numbers"),
        ("AutoModelForImageTextToText", "takes images"),
    ],
)
@pytest.mark.parametrize("target", ["gguf", "bnb_8bit", "torchao"])
def test_a_model_that_judges_or_sees_is_refused(
    target: str, kind: str, words: str, run: FinishedRun
) -> None:
    model = dataclasses.replace(run.plan.model, auto_class=f"transformers:{kind}")
    other = FinishedRun(run.run, dataclasses.replace(run.plan, model=model))
    with pytest.raises(DiagnosticError, match=f"RR737.*{words}"):
        exported(other, target)


def test_torchao_weights_load_again(run: FinishedRun) -> None:
    pytest.importorskip("torchao")
    made = exported(run, "torchao", type="int8")
    assert "those that were saved" in made.checked[0]


@pytest.mark.parametrize("target", ["fp8", "gptq"])
def test_llm_compressor_weights_load_again(target: str, run: FinishedRun, shop: Workshop) -> None:
    pytest.importorskip("llmcompressor")
    made = exported(run, target)
    assert "those that were saved" in made.checked[0]
    assert "recipe.yaml" not in made.files


class Needy(Target):
    """A target that this machine cannot serve."""

    about: ClassVar[str] = "a form for tests"

    def write(self, job: Job) -> None:
        raise AssertionError("nothing is written where something is missing")

    def verify(self, job: Job, *, trial: bool) -> tuple[str, ...]:
        raise AssertionError("nothing is read where something is missing")


def test_what_is_missing_here_is_told_before_anything_is_written(
    run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    class OnGpu(Needy):
        needs_gpu: ClassVar[bool] = True

    class WithPackage(Needy):
        packages: ClassVar[tuple[Requirement, ...]] = (
            Requirement("no-such-package", "no_such_package", "the test"),
        )

    assert codes(run, OnGpu()) == ["RR640"]
    assert codes(run, WithPackage()) == ["RR601"]
    assert not (run.run.path / "export").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(MemoryError(), "RR702", id="memory"),
        pytest.param(RuntimeError("CUDA out of memory. Tried to allocate"), "RR702", id="gpu"),
        pytest.param(OSError(28, "No space left on device"), "RR705", id="disk"),
        pytest.param(RuntimeError("I/O error: No space left on device"), "RR705", id="library"),
    ],
)
def test_what_runs_out_is_told_without_advice_for_a_training(
    error: Exception, code: str, run: FinishedRun
) -> None:
    class Large(Needy):
        def write(self, job: Job) -> None:
            raise error

    with pytest.raises(DiagnosticError) as caught:
        export(run, Large(), told=ignored, meter=ignored)
    (found,) = caught.value.diagnostics
    assert found.code.id == code
    assert "training." not in found.help
    assert "output_dir" not in found.help


def test_what_a_merge_advises_names_the_command_of_its_options(
    llama: Path, shop: Workshop, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(llama, base)
    plan = shop.plan(recipe(model=str(base), adapter="lora"))
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "bitsandbytes"}
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    files = adapter_files(str(base))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        files[name] = (llama / name).read_bytes()
    run = finished_run(tmp_path / "run", plan, files=files)
    with pytest.raises(DiagnosticError) as caught:
        exported(open_run(run.path))
    (found,) = caught.value.diagnostics
    assert (found.code.id, "--dequantize" in found.help) == ("RR734", True)
    assert f"recipe-run merge {run.path}" in found.help


def test_an_adapter_is_merged_first(llama: Path, shop: Workshop, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(llama)
    before = base.model.layers[2].mlp.up_proj.weight.detach().clone()
    wish = LoraConfig(r=4, lora_alpha=8, target_modules=["up_proj"], init_lora_weights=False)
    tuned = get_peft_model(base, wish)
    layer = tuned.base_model.model.model.layers[2].mlp.up_proj
    with torch.no_grad():
        change = layer.lora_B["default"].weight @ layer.lora_A["default"].weight * (8 / 4)
    plan = shop.plan(
        recipe(
            model=str(llama),
            adapter={"type": "lora", "r": 4, "lora_alpha": 8, "target_modules": ["up_proj"]},
        )
    )
    run = finished_run(tmp_path / "run", plan)
    tuned.save_pretrained(run.model)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(llama / name, run.model / name)
    left = run.path / f".whole.{os.getpid()}.0a1b2c3d.tmp"
    left.mkdir()
    made = exported(open_run(run.path), trial=False)
    (path,) = made.folder.glob("*.gguf")
    (tensor,) = (
        each for each in gguf.GGUFReader(path).tensors if each.name == "blk.2.ffn_up.weight"
    )
    torch.testing.assert_close(torch.tensor(tensor.data), before + change)
    # The merged model was made for the export only, and so was that of an export before it
    # whose process was killed.
    assert not left.exists()
    assert not list(run.path.glob(".whole*"))


def test_the_variables_of_the_template_are_in_the_next_command(
    llama: Path, shop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {path.name: path.read_bytes() for path in llama.iterdir()}
    variables = {"chat_template_kwargs": {"enable_thinking": False}}
    plan = shop.plan(recipe(name="tiny", model=str(llama), tokenizer=variables))
    finished_run(tmp_path / "run", plan, files=files)
    assert main(["export", str(tmp_path / "run"), "--to", "gguf", "--no-trial"]) == 0
    words = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert words[-2:] == ["--chat-template-kwargs", '{"enable_thinking": false}']


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        pytest.param(["--to", "guff"], 2, "there are awq (", id="target"),
        pytest.param(["--to", "gguf", "--type", "q9"], 2, "there are auto, f32", id="type"),
        pytest.param(["--to", "bnb_8bit", "--type", "q9"], 2, "one form only", id="no-types"),
        pytest.param(["--to", "gguf", "--no-trial"], 0, "my-model-f32.gguf", id="good"),
    ],
)
def test_the_command(
    arguments: list[str],
    exit_code: int,
    words: str,
    run: FinishedRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["export", str(run.run.path), *arguments]) == exit_code
    out, err = capsys.readouterr()
    assert words in (err if exit_code else out)
