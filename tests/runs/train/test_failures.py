"""What libraries raise reaches a user as a diagnostic, never as a traceback."""

from __future__ import annotations

import dataclasses
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute import preflight
from recipe_runner.execute.failure import diagnose
from recipe_runner.execute.launch import exit_code_of, launch
from recipe_runner.plan import Call, Plan, Requirement
from tests.runs.train.by_hand import BY_HAND, LORA, RECIPE, Recorder, plan_for

pytestmark = pytest.mark.runs


def copied(plan: Plan, folder: Path) -> Path:
    target = folder / "copy"
    shutil.copytree(plan.model.name_or_path, target)
    return target


def on(plan: Plan, path: Path) -> Plan:
    return dataclasses.replace(plan, model=dataclasses.replace(plan.model, name_or_path=str(path)))


def no_folder(plan: Plan, folder: Path) -> Plan:
    return on(plan, folder / "nowhere")


def no_config(plan: Plan, folder: Path) -> Plan:
    copy = copied(plan, folder)
    (copy / "config.json").unlink()
    return on(plan, copy)


def no_tokenizer(plan: Plan, folder: Path) -> Plan:
    nothing = dataclasses.replace(plan.tokenizer, name_or_path=str(folder / "nothing"))
    return dataclasses.replace(plan, tokenizer=nothing)


def cut_weights(plan: Plan, folder: Path) -> Plan:
    copy = copied(plan, folder)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return on(plan, copy)


def pickled_weights(plan: Plan, folder: Path) -> Plan:
    copy = copied(plan, folder)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    return on(plan, copy)


def wrong_targets(plan: Plan, folder: Path) -> Plan:
    adapter = Call(LORA.target, {**LORA.arguments, "target_modules": ["query_proj"]})
    return dataclasses.replace(plan, adapter=adapter)


def with_model(**changes: Any) -> Callable[[Plan, Path], Plan]:
    return lambda plan, _: dataclasses.replace(
        plan, model=dataclasses.replace(plan.model, **changes)
    )


def with_lora(**changes: Any) -> Callable[[Plan, Path], Plan]:
    arguments = {**LORA.arguments, **changes}
    return lambda plan, _: dataclasses.replace(plan, adapter=Call(LORA.target, arguments))


def with_arguments(**changes: Any) -> Callable[[Plan, Path], Plan]:
    return lambda plan, _: dataclasses.replace(
        plan, arguments=Call(plan.arguments.target, {**plan.arguments.arguments, **changes})
    )


def fewer_weights(plan: Plan, folder: Path) -> Plan:
    from safetensors.torch import load_file, save_file

    copy = copied(plan, folder)
    weights = load_file(copy / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    return on(plan, copy)


def arbitrary_class(plan: Plan, folder: Path) -> Plan:
    return dataclasses.replace(plan, adapter=Call("transformers:PushToHubMixin"))


def unknown_argument(plan: Plan, folder: Path) -> Plan:
    arguments = {**plan.arguments.arguments, "no_such_argument": 1}
    return dataclasses.replace(plan, arguments=Call("trl:SFTConfig", arguments))


CASES: dict[str, tuple[Callable[[Plan, Path], Plan], str, str, int]] = {
    "model folder missing": (no_folder, "RR706", "nowhere", 4),
    "config missing": (no_config, "RR706", "copy", 4),
    "tokenizer missing": (no_tokenizer, "RR706", "nothing", 4),
    "weights cut": (cut_weights, "RR708", "copy", 4),
    "weights pickled": (pickled_weights, "RR711", "copy", 4),
    "adapter targets": (wrong_targets, "RR709", "query_proj", 4),
    "one target of two": (
        with_lora(target_modules=["q_proj", "query"]),
        "RR709",
        "adapter.target_modules has query,",
        4,
    ),
    "module to save": (
        with_lora(modules_to_save=["head"]),
        "RR709",
        "adapter.modules_to_save has head,",
        4,
    ),
    "rank pattern": (
        with_lora(rank_pattern={"query": 2}),
        "RR709",
        "adapter.rank_pattern has query,",
        4,
    ),
    "layers": (
        with_lora(target_modules=["q_proj"], layers_to_transform=[7]),
        "RR709",
        "{'q_proj'} in the layers [7]",
        4,
    ),
    "frozen by nothing": (with_model(freeze=("embed_token$",)), "RR713", "'embed_token$'", 4),
    "no regular expression": (with_model(trainable_parameters=("([",)), "RR713", "'(['", 4),
    "all frozen": (with_model(freeze=("embed", ".")), "RR713", "leave none of the 21", 4),
    "a weight missing": (fewer_weights, "RR714", "no weights for model.norm.weight", 4),
    "more layers than weights": (
        with_model(config_overrides={"num_hidden_layers": 3}),
        "RR714",
        "and 6 more",
        4,
    ),
    "unknown override": (
        with_model(config_overrides={"num_hidden_layer": 1}),
        "RR715",
        "num_hidden_layer,",
        4,
    ),
    "override of another kind": (
        with_model(config_overrides={"num_hidden_layers": "two"}),
        "RR715",
        "config_overrides is refused: Validation error for field 'num_hidden_layers'",
        4,
    ),
    "override of a shape": (
        with_model(config_overrides={"hidden_size": 32}),
        "RR715",
        "model.config_overrides is refused",
        4,
    ),
    "option of the schedule": (
        with_arguments(lr_scheduler_kwargs={"slope": 1}),
        "RR715",
        "'slope'",
        4,
    ),
    "attention": (
        with_model(load={"attn_implementation": "fast"}),
        "RR715",
        "model.attn_implementation",
        4,
    ),
    "optimizer's package": (with_arguments(optim="lomo"), "RR601", "lomo_optim", 3),
    "no full batch": (
        with_arguments(per_device_train_batch_size=64, dataloader_drop_last=True),
        "RR716",
        "48 rows",
        4,
    ),
    "class not allowed": (arbitrary_class, "RR614", "PushToHubMixin", 3),
    "unknown": (unknown_argument, "RR901", "no_such_argument", 4),
}


@pytest.mark.parametrize(("change", "code", "word", "status"), CASES.values(), ids=CASES.keys())
def test_failure_is_a_diagnostic(
    change: Callable[[Plan, Path], Plan],
    code: str,
    word: str,
    status: int,
    model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plan = change(plan_for(model, tmp_path), tmp_path)
    with pytest.raises(DiagnosticError) as caught:
        launch(plan, RECIPE, RECIPE, Recorder(), suppliers=BY_HAND)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == code, diagnostic.message
    assert word in diagnostic.message
    assert exit_code_of(caught.value) == status
    assert capfd.readouterr() == ("", "")
    if code == "RR901":
        assert "Traceback" in (tmp_path / "run" / "train.log").read_text(encoding="utf-8")


def out_of_gpu_memory() -> Exception:
    import torch

    error: Exception = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
    return error


RAISED: dict[str, tuple[Callable[[], Exception], str, str]] = {
    "gpu memory": (out_of_gpu_memory, "RR702", "the GPU ran out of memory with 4 sequences"),
    "cpu memory": (
        lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ..."),
        "RR702",
        "the machine ran out of memory",
    ),
    "disk full": (lambda: OSError(errno.ENOSPC, "No space left on device"), "RR705", "no space"),
    "run directory removed": (
        lambda: FileNotFoundError(errno.ENOENT, "No such file or directory", "metrics.jsonl"),
        "RR604",
        "was removed while the run wrote into it",
    ),
    "safetensors disk full": (
        lambda: RuntimeError("I/O error: No space left on device (os error 28)"),
        "RR705",
        "no space",
    ),
    "gloo": (
        lambda: RuntimeError("[../gloo/transport/tcp/pair.cc:525] Connection closed by peer"),
        "RR710",
        "lost the connection",
    ),
}


@pytest.mark.parametrize(("raised", "code", "words"), RAISED.values(), ids=RAISED.keys())
def test_known_exception_has_its_code(
    raised: Callable[[], Exception], code: str, words: str, model: Path, tmp_path: Path
) -> None:
    plan = plan_for(model, tmp_path)
    diagnostic = diagnose(raised(), plan, tmp_path / "run", tmp_path / "run" / "train.log")
    assert diagnostic.code.id == code
    assert words in diagnostic.message


def test_all_missing_packages_are_reported_at_once(model: Path, tmp_path: Path) -> None:
    plan = plan_for(
        model,
        tmp_path,
        arguments={"report_to": ["wandb_absent"]},
        requires=(Requirement("no-such-package", "no_such_package", "quantization hqq"),),
    )
    with pytest.raises(DiagnosticError) as caught:
        preflight.check(plan)
    found = [diagnostic.code.id for diagnostic in caught.value.diagnostics]
    assert found == ["RR601", "RR602"]
    assert not (tmp_path / "run").exists()


def test_plan_for_more_gpus_than_there_are_is_refused(model: Path, tmp_path: Path) -> None:
    plan = plan_for(model, tmp_path, arguments={"use_cpu": False}, processes=64)
    machine = dataclasses.replace(plan.machine, kind="H100", accelerators=64)
    with pytest.raises(DiagnosticError) as caught:
        preflight.check(dataclasses.replace(plan, machine=machine))
    assert "64 processes on GPUs" in str(caught.value)


def test_preflight_has_nothing_to_say_about_a_fitting_plan(model: Path, tmp_path: Path) -> None:
    found: Any = preflight.check(plan_for(model, tmp_path))
    assert found == ()
