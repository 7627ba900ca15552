"""Other tools on the first job of `benchmarks.speed`, each in an environment of its own.

`python -m benchmarks peers --peer-python litgpt=/path/to/python`: a tool that is not named is
looked for in this Python. Each gets the same checkpoint and the same rows of tokens with labels,
and runs as a process of its own, timed from outside: real tokens per CPU second of the steps after
the first. Its configuration stands beside the results. Its losses are shown, and not compared:
tools begin their schedules and clip their gradients in ways of their own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.arms import precision
from benchmarks.compared import rate, summary
from benchmarks.environment import environment
from benchmarks.jobs import BASELINE, JOBS, OURS
from benchmarks.machine import gpus
from benchmarks.peer import axolotl, litgpt, llamafactory, oumi, torchtune, unsloth
from benchmarks.peer.base import INSIDE, Peer, Task
from benchmarks.results import Failed, Headline, Options, say, show, write
from benchmarks.rows import read
from benchmarks.speed import measured

PEERS = tuple(each.PEER for each in (axolotl, llamafactory, unsloth, torchtune, litgpt, oumi))
_WARM_UP = 1


def bench(options: Options) -> list[Headline]:
    """Run raw TRL, ours and each tool that is there; print and write what they found."""
    known = {peer.name for peer in PEERS}
    if unknown := set(options.pythons) - known:
        raise Failed(f"{', '.join(sorted(unknown))} is none of {', '.join(sorted(known))}")
    job = JOBS[0]
    made = assets.make(options.work / "assets", 2000)
    say(f"peers: raw TRL and ours, {job.name}")
    lines = list(measured([job], made.model, options))
    # What these were given is there now, and is what the others get.
    given = options.work / "speed" / job.name
    half = precision("cpu") == "bf16"
    found = []
    for peer in PEERS:
        python = options.pythons.get(peer.name, Path(sys.executable)).absolute()
        own = options.work / "peers" / peer.name
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        rows = given / "rows.jsonl"
        masked = _masked(rows, own / "rows.jsonl")
        task = Task(job, given / "model", rows, masked, own, python, half)
        found.append({"peer": peer.name, **_try(peer, task, options)})
    write(options.results, "peers", [*lines, *found])
    return _report(lines, found)


def _masked(rows: Path, file: Path) -> Path:
    with file.open("w", encoding="utf-8") as out:
        for row in read(rows):
            full = {**row, "attention_mask": [1] * len(row["input_ids"])}
            out.write(json.dumps(full) + "\n")
    return file


def _try(peer: Peer, task: Task, options: Options) -> dict[str, Any]:
    """A run of the tool, or why there is none."""
    version = version_of(peer.distribution, task.python)
    if version is None:
        return {"why": "not installed"}
    about = {"version": version, "never_run": peer.never_run}
    if not peer.step:
        return {**about, "why": "takes chats and no tokens"}
    if peer.needs_gpu and not gpus():
        return {**about, "why": "needs a GPU"}
    say(f"peers: {peer.name} {version}")
    try:
        return {**about, **_run(peer, task, options.results / "peers" / peer.name)}
    except (measure.CommandFailed, Failed) as error:
        why = str(error).strip().splitlines()
        return {**about, "why": f"failed: {why[-1] if why else 'without a word'}"}


def version_of(distribution: str, python: Path) -> str | None:
    """The version of a distribution that `python` has; None where it has none."""
    program = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _run(peer: Peer, task: Task, kept: Path) -> dict[str, Any]:
    kept.mkdir(parents=True, exist_ok=True)
    for name, text in peer.files(task).items():
        (task.folder / name).write_text(text, encoding="utf-8")
        (kept / name).write_text(text, encoding="utf-8")
    variables = environment(task.folder / "cache")
    # Its Python must not find our packages, and must find the modules that are meant for it.
    variables["PYTHONPATH"] = str(INSIDE)
    variables["PATH"] = os.pathsep.join([str(task.python.parent), variables["PATH"]])
    # What it prints is read line by line while it runs.
    variables["PYTHONUNBUFFERED"] = "1"
    *before, training = peer.commands(task)
    for number, command in enumerate(before):
        measure.run(command, log=task.folder / f"before-{number}.log", environment=variables)
    log = task.folder / f"{peer.name}.log"
    watched = peer.log(task) if peer.log is not None else log
    steps = task.job.steps
    done = measure.run(
        training,
        log=log,
        environment=variables,
        watch=watched,
        marks=(_WARM_UP, steps),
        pattern=peer.step,
    )
    text = watched.read_text(encoding="utf-8", errors="replace")
    losses = [float(loss) for loss in re.findall(peer.step, text, re.MULTILINE)]
    if len(losses) != steps or len(done.marks) != 2:
        raise Failed(f"it logged {len(losses)} steps of {steps}; see {log}")
    first, last = (done.marks[at] for at in (_WARM_UP, steps))
    return {
        "steps": steps - _WARM_UP,
        "real_tokens": _tokens(peer, task),
        "device_seconds": last.cpu - first.cpu,
        "wall_seconds": last.wall - first.wall,
        "first_step_seconds": first.wall,
        "peak_rss": done.peak_rss,
        "command": [str(part) for part in training],
        "losses": losses,
    }


def _tokens(peer: Peer, task: Task) -> float:
    """Real tokens of the counted steps."""
    lengths = [len(row["input_ids"]) for row in read(task.rows)]
    first = task.job.micro * task.job.accumulation * _WARM_UP
    if peer.in_order:
        return sum(lengths[first:])
    return sum(lengths) * (1 - first / len(lengths))


def _report(
    lines: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> list[Headline]:
    ours = summary(lines, BASELINE)["arms"]
    base = ours[BASELINE]["tokens_per_second"]
    table: list[tuple[object, ...]] = [
        (arm, "", numbers["tokens_per_second"], numbers["ratio"], "", "")
        for arm, numbers in ours.items()
    ]
    for each in found:
        name, version = each["peer"], each.get("version", "")
        if "losses" not in each:
            table.append((name, version, "", "", "", each["why"]))
            continue
        losses = f"{each['losses'][0]:.3f} to {each['losses'][-1]:.3f}"
        table.append((name, version, rate(each), rate(each) / base, losses, ""))
    show(
        f"peers, {lines[0]['job']}: real tokens per CPU second",
        ("", "version", "tokens/CPU s", "of raw TRL", "losses", ""),
        table,
    )
    return [
        Headline(f"{OURS}, of {each['peer']}", ours[OURS]["tokens_per_second"] / rate(each))
        for each in found
        if "losses" in each
    ]
