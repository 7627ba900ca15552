"""What cannot be merged is refused with its reason, and a merge that fails keeps nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.merge import Wish
from tests.runs.merge.shaken import adapted_run, decoder, merged, stored

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decoder(tmp_path_factory.mktemp("base"))


@pytest.fixture
def finished(base: Path, tmp_path: Path) -> FinishedRun:
    return adapted_run(tmp_path / "here", base)


def _refusal(finished: FinishedRun, wish: Wish | None = None, **options: Any) -> Diagnostic:
    """The diagnostic of a merge, which has to leave nothing behind but its log."""
    before = _listing(finished.run.path)
    with pytest.raises(DiagnosticError) as caught:
        merged(finished, wish, **options)
    assert _listing(finished.run.path) - {"merge.log"} == before
    return caught.value.diagnostics[0]


def _listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")} - {"merge.log"}


def _rewrite(file: Path, change: Any) -> None:
    """Change the tensors of a file."""
    from safetensors.torch import load_file, save_file

    save_file({name: change(name, t) for name, t in load_file(file).items()}, file)


def test_a_base_too_fine_for_float16_fails_and_keeps_nothing(tmp_path: Path) -> None:
    # Norms make up for small weights, so that the model works; float16 has none below 6e-8.
    base = decoder(tmp_path / "base")
    _rewrite(
        base / "model.safetensors",
        lambda name, t: t * 1e-7 if "embed_tokens" in name or "_proj" in name else t,
    )
    # The norms' epsilon has to be small beside such numbers.
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config["rms_norm_eps"] = 1e-20
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    finished = adapted_run(tmp_path / "here", base)
    _rewrite(finished.run.model / "adapter_model.safetensors", lambda _, t: t * 1e-4)
    found = _refusal(finished, Wish(dtype="float16"))
    assert found.code.id == "RR731"
    assert "its logits differ by up to" in found.message
    assert merged(finished).compared is not None


def test_a_weight_that_is_not_finite_is_named(finished: FinishedRun) -> None:
    _rewrite(
        finished.run.model / "adapter_model.safetensors",
        lambda name, t: t * 1e30 if "layers.1.self_attn.q_proj" in name else t,
    )
    found = _refusal(finished)
    assert found.code.id == "RR731"
    assert "model.layers.1.self_attn.q_proj.weight" in found.message


def test_an_adapter_that_lacks_weights_is_refused(finished: FinishedRun) -> None:
    from safetensors.torch import load_file, save_file

    file = finished.run.model / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors.pop("base_model.model.model.layers.0.mlp.up_proj.lora_B.weight")
    save_file(tensors, file)
    found = _refusal(finished)
    assert found.code.id == "RR733"
    assert "lacks base_model.model.model.layers.0.mlp.up_proj.lora_B.weight" in found.message


def test_an_adapter_with_weights_for_other_layers_is_refused(finished: FinishedRun) -> None:
    from safetensors.torch import load_file, save_file

    file = finished.run.model / "adapter_model.safetensors"
    tensors = load_file(file)
    one = tensors["base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"].clone()
    save_file({**tensors, "base_model.model.model.layers.9.mlp.up_proj.lora_B.weight": one}, file)
    found = _refusal(finished)
    assert found.code.id == "RR733"
    assert "no place for base_model.model.model.layers.9" in found.message


def test_code_of_the_model_runs_only_where_it_is_allowed(finished: FinishedRun) -> None:
    plan = finished.plan
    model = dataclasses.replace(plan.model, load={**plan.model.load, "trust_remote_code": True})
    found = _refusal(dataclasses.replace(finished, plan=dataclasses.replace(plan, model=model)))
    assert found.code.id == "RR631"


def test_an_adapter_of_another_base_is_refused(finished: FinishedRun, tmp_path: Path) -> None:
    file = finished.run.model / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(
        json.dumps({**config, "base_model_name_or_path": "org/another"}), encoding="utf-8"
    )
    found = _refusal(finished)
    assert found.code.id == "RR733"
    assert "org/another" in found.message


def test_a_base_of_other_sizes_is_refused(finished: FinishedRun, tmp_path: Path) -> None:
    other = decoder(tmp_path / "other", intermediate_size=96)
    found = _refusal(finished, Wish(base=other))
    assert found.code.id == "RR733"
    assert "size mismatch" in found.message


def test_a_base_that_has_moved_is_named(base: Path, tmp_path: Path) -> None:
    here = decoder(tmp_path / "base")
    finished = adapted_run(tmp_path / "here", here)
    wanted = stored(merged(finished, out=tmp_path / "first").folder)
    here.rename(tmp_path / "moved")
    assert _refusal(finished).code.id == "RR706"
    found = stored(merged(finished, Wish(base=tmp_path / "moved")).folder)
    assert all(found[name].equal(tensor) for name, tensor in wanted.items())


def test_a_run_without_an_adapter_has_nothing_to_merge(finished: FinishedRun) -> None:
    (finished.run.model / "adapter_config.json").rename(finished.run.model / "config.json")
    found = _refusal(
        dataclasses.replace(finished, plan=dataclasses.replace(finished.plan, adapter=None))
    )
    assert found.code.id == "RR736"


def test_a_folder_in_the_way_is_not_touched(finished: FinishedRun, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("mine", encoding="utf-8")
    for overwrite in (False, True):
        assert _refusal(finished, out=foreign, overwrite=overwrite).code.id == "RR735"
    assert (foreign / "letter.txt").read_text(encoding="utf-8") == "mine"
    made = merged(finished)
    assert _refusal(finished).code.id == "RR735"
    assert merged(finished, overwrite=True).files.keys() == made.files.keys()


def test_a_base_that_is_quantized_on_disk_needs_a_word(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    packed = tmp_path / "packed"
    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=four, dtype="float32")
    model.save_pretrained(packed)
    AutoTokenizer.from_pretrained(base).save_pretrained(packed)
    finished = adapted_run(tmp_path / "here", base)
    assert _refusal(finished, Wish(base=packed)).code.id == "RR734"
    made = merged(finished, Wish(base=packed, dequantize=True))
    assert "quantization_config" not in json.loads((made.folder / "config.json").read_text())
    assert stored(made.folder).keys() == stored(base).keys()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_merge_that_is_interrupted_leaves_nothing(
    number: signal.Signals, finished: FinishedRun
) -> None:
    before = _listing(finished.run.path)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "recipe_runner", "merge", str(finished.run.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    limit = time.monotonic() + 120
    while not list(finished.run.path.glob(".merged.*.tmp")):
        assert time.monotonic() < limit, "it never began"
        assert process.poll() is None, "it ended before"
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert _listing(finished.run.path) == before


def test_the_command_says_what_it_wrote(finished: FinishedRun, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from recipe_runner.cli.merge import command

    out = tmp_path / "out"
    told = CliRunner().invoke(command, [str(finished.run.path), "--out", str(out), "--json"])
    assert told.exit_code == 0, told.output
    made = json.loads(told.output)
    assert made["folder"] == str(out)
    assert made["compared"]["error"] < 1e-4
    assert made["files"]["model.safetensors"] == (out / "model.safetensors").stat().st_size
    again = [str(finished.run.path), "--out", str(out), "--overwrite", "--no-verify"]
    page = CliRunner().invoke(command, again).output
    assert "Not checked\n  its answers were not compared" in page
