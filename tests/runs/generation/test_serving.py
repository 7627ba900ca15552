"""A generation server lives as long as the run that needs it, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.generation.server import command_of, serving
from recipe_runner.plan import Plan, encode
from tests.runs.generation.conftest import (
    ROOT,
    Lines,
    PlanFor,
    fake,
    is_gone,
    said,
    wait_for,
)

TWO = ("4", "5")


def never(plan: Plan, command: list[str]) -> None:
    """Serve with a command that is to fail before the block."""
    with serving(plan, Lines(), command=command, devices=TWO):
        raise AssertionError("the block must not run")


def test_the_block_runs_when_the_server_answers(
    plan_for: PlanFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF", raising=False)
    plan, console = plan_for(), Lines()
    url = f"http://127.0.0.1:{plan.arguments.arguments['vllm_server_port']}/health"
    with serving(plan, console, command=fake(plan, "--after", "0.5"), devices=TWO):
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
        pid = int(said(plan, "pid"))
        assert not is_gone(pid)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"
    assert said(plan, "devices") == "5"
    # What suits the training's memory does not suit vLLM's.
    assert said(plan, "allocator") == "None"
    # A module in the working directory is not imported.
    assert said(plan, "safe_path") == "True"
    assert is_gone(pid)
    assert console.said[0].endswith("vllm-server.log")
    assert url.removesuffix("/health") in console.said[1]


def test_the_allocator_that_a_user_chose_reaches_the_server(
    plan_for: PlanFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    plan = plan_for()
    with serving(plan, Lines(), command=fake(plan), devices=TWO):
        assert said(plan, "allocator") == "max_split_size_mb:64"


def test_devices_that_were_not_named_are_hidden_in_the_block_only(
    plan_for: PlanFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    plan = plan_for()
    with serving(plan, Lines(), command=fake(plan), devices=("0", "1")):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


@pytest.mark.parametrize(
    "options",
    [
        {"use_vllm": False},
        {"vllm_mode": "colocate"},
        {"vllm_server_base_url": "http://elsewhere:8000"},
    ],
    ids=["without vLLM", "in the training's GPUs", "a server that runs already"],
)
def test_no_server_is_started_where_none_is_asked_for(
    options: dict[str, object], plan_for: PlanFor, tmp_path: Path
) -> None:
    with serving(plan_for(**options), Lines(), command=[sys.executable, "-c", "1/0"], devices=()):
        assert list(tmp_path.iterdir()) == []


def test_a_server_that_ends_at_once_is_told_with_its_last_lines(plan_for: PlanFor) -> None:
    plan = plan_for()
    with pytest.raises(DiagnosticError) as caught:
        never(plan, fake(plan, "--die"))
    (found,) = caught.value.diagnostics
    assert found.code.id == "RR720"
    assert "ended with exit code 3 before it answered" in found.message
    assert "ValueError: the model does not fit" in found.help


def test_lines_of_an_earlier_server_are_kept_and_not_told_again(
    plan_for: PlanFor, tmp_path: Path
) -> None:
    log = tmp_path / "vllm-server.log"
    log.write_text("a line of yesterday\n", encoding="utf-8")
    plan = plan_for()
    with pytest.raises(DiagnosticError) as caught:
        never(plan, fake(plan, "--die"))
    assert "yesterday" not in caught.value.diagnostics[0].help
    assert log.read_text(encoding="utf-8").startswith("a line of yesterday\n")


def test_a_server_that_never_answers_is_given_up_and_ended(plan_for: PlanFor) -> None:
    plan = plan_for(vllm_server_timeout=1.5)
    with pytest.raises(DiagnosticError) as caught:
        never(plan, fake(plan, "--mute"))
    (found,) = caught.value.diagnostics
    assert found.code.id == "RR720"
    assert "did not answer within 1.5 seconds" in found.message
    assert is_gone(int(said(plan, "pid")))


def test_a_run_that_fails_because_the_server_was_killed_says_so(plan_for: PlanFor) -> None:
    plan = plan_for()

    def run() -> None:
        with serving(plan, Lines(), command=fake(plan), devices=TWO):
            os.kill(int(said(plan, "pid")), signal.SIGKILL)
            raise ConnectionError("refused")

    with pytest.raises(DiagnosticError) as caught:
        run()
    (found,) = caught.value.diagnostics
    assert found.code.id == "RR720"
    assert "was killed by signal 9 while the run went" in found.message
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_another_failure_of_the_run_is_told_as_it_is(plan_for: PlanFor) -> None:
    plan = plan_for()

    def run() -> None:
        with serving(plan, Lines(), command=fake(plan), devices=TWO):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert is_gone(int(said(plan, "pid")))


@pytest.mark.parametrize("option", ["--stubborn", "--child"])
def test_nothing_of_a_server_that_does_not_listen_is_left(option: str, plan_for: PlanFor) -> None:
    plan = plan_for()
    with serving(plan, Lines(), command=fake(plan, option), devices=TWO, grace=0.5):
        pids = [int(said(plan, "pid"))]
        if option == "--child":
            pids.append(int(said(plan, "child")))
        assert not any(map(is_gone, pids))
    assert wait_for(lambda: all(map(is_gone, pids)))


def test_too_few_gpus_are_found_before_anything_is_started(
    plan_for: PlanFor, tmp_path: Path
) -> None:
    plan = plan_for(processes=2)
    with pytest.raises(DiagnosticError) as caught:
        never(plan, fake(plan))
    assert [d.code.id for d in caught.value.diagnostics] == ["RR616"]
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_not_there_is_no_hanging_server(plan_for: PlanFor) -> None:
    with pytest.raises(DiagnosticError) as caught:
        never(plan_for(), ["/no/such/program"])
    (found,) = caught.value.diagnostics
    assert found.code.id == "RR720"
    assert "No such file or directory: '/no/such/program'" in found.help


@pytest.mark.parametrize(("options", "waiting"), [((), False), (("--mute",), True)])
def test_ctrl_c_ends_the_server_and_the_run(
    options: tuple[str, ...], waiting: bool, plan_for: PlanFor, tmp_path: Path
) -> None:
    plan = plan_for()
    process = drive(plan, tmp_path, *options)
    log = tmp_path / "vllm-server.log"
    assert wait_for(lambda: log.exists() and "allocator=" in log.read_text(encoding="utf-8"))
    if not waiting:
        assert process.stdout is not None
        assert "inside" in "".join(iter(process.stdout.readline, "inside\n")) + "inside"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert is_gone(int(said(plan, "pid")))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("options", [("--mute",), ()], ids=["starting", "in the block"])
def test_a_signal_leaves_nothing_of_a_server(
    options: tuple[str, ...], number: signal.Signals, plan_for: PlanFor, tmp_path: Path
) -> None:
    plan = plan_for()
    process, pids = drive_with_child(plan, tmp_path, *options)
    if not options:
        assert process.stdout is not None
        assert "inside\n" in iter(process.stdout.readline, "")
    process.send_signal(number)
    assert process.wait(20) == 130
    assert wait_for(lambda: all(map(is_gone, pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent")
@pytest.mark.parametrize("options", [("--mute",), ()], ids=["starting", "in the block"])
def test_a_server_and_its_children_die_with_a_run_that_is_killed(
    options: tuple[str, ...], plan_for: PlanFor, tmp_path: Path
) -> None:
    process, pids = drive_with_child(plan_for(), tmp_path, *options)
    process.kill()
    process.wait(20)
    assert wait_for(lambda: all(map(is_gone, pids)))


def test_a_signal_that_is_ignored_stays_ignored(plan_for: PlanFor) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        plan = plan_for()
        with serving(plan, Lines(), command=fake(plan), devices=TWO):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def drive_with_child(
    plan: Plan, folder: Path, *options: str
) -> tuple[subprocess.Popen[str], list[int]]:
    """Serve in another process; returns it when the server has a child, with the ids of both."""
    process = drive(plan, folder, "--child", *options)
    log = folder / "vllm-server.log"
    assert wait_for(lambda: log.exists() and "child=" in log.read_text(encoding="utf-8"))
    pids = [int(said(plan, name)) for name in ("pid", "child")]
    assert not any(map(is_gone, pids))
    return process, pids


def drive(plan: Plan, folder: Path, *options: str) -> subprocess.Popen[str]:
    file = folder / "plan.json"
    file.write_text(encode(plan), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.runs.generation.driver", str(file), *fake(plan, *options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_command_serves_the_model_of_the_plan(plan_for: PlanFor) -> None:
    plan = plan_for(vllm_server_port=8123, vllm_tensor_parallel_size=2, vllm_max_model_length=4096)
    load = {**plan.model.load, "revision": "abc", "trust_remote_code": True}
    plan = replace(plan, model=replace(plan.model, name_or_path="/my models/one", load=load))
    assert command_of(plan) == [
        *(sys.executable, "-m", "trl.scripts.vllm_serve"),
        *("--model", "/my models/one"),
        *("--revision", "abc"),
        *("--host", "127.0.0.1"),
        *("--port", "8123"),
        *("--tensor_parallel_size", "2"),
        *("--max_model_len", "4096"),
        *("--vllm_model_impl", "vllm"),
        "--trust_remote_code",
    ]


@pytest.mark.runs
def test_trl_understands_the_command(plan_for: PlanFor) -> None:
    from trl.scripts.vllm_serve import build_command, make_parser

    plan = plan_for(vllm_server_port=8123, vllm_max_model_length=4096)
    load = {**plan.model.load, "revision": "abc", "trust_remote_code": True}
    plan = replace(plan, model=replace(plan.model, name_or_path="/my models/one", load=load))
    words = command_of(plan)[3:]
    arguments, rest = make_parser().parse_args_and_config(words, return_remaining_strings=True)
    served = build_command(arguments)
    assert rest == []
    assert served[served.index("serve") + 1] == "/my models/one"
    for option, value in (("--port", "8123"), ("--revision", "abc"), ("--max-model-len", "4096")):
        assert served[served.index(option) + 1] == value
    assert "--trust-remote-code" in served
