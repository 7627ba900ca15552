"""One GPU against the clock: raw TRL and ours on models of 0.6 to 8 billion parameters.

Less than ten minutes, without a network. Each suite has a budget in seconds and repeats its arms
as long as that lasts; all run in one process, which is started again behind a suite that ends it.
Losses and gradients of arms with the same rows and the same type of weights must agree.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import assets, measure
from benchmarks.compared import differences, summary
from benchmarks.environment import environment
from benchmarks.flops import nominal
from benchmarks.jobs import BASELINE, OURS
from benchmarks.machine import gpus
from benchmarks.picture import picture
from benchmarks.results import Failed, Headline, Impossible, Options, median, say, show, write
from benchmarks.suites import SUITES

_LIMIT = 590
"""Seconds of all suites together."""

Row = Mapping[str, Any]


def bench(options: Options) -> list[Headline]:
    """Run the suites, print and write what they found.

    Raises `Impossible` without a GPU, `Failed` where losses differ or a suite ended badly.
    """
    if options.device != "cpu" and not gpus():
        raise Impossible(
            "gpu: there is no GPU on this machine; "
            "`--device cpu --tiny` runs the same code, to see that it works"
        )
    made = assets.make(options.work / "assets", 2000)
    names = list(options.suites or SUITES)
    for name in names:
        say(f"gpu: {name}, {SUITES[name].about}, {SUITES[name].seconds:.0f} s")
    lines, broken = measured(names, made.model, options)
    return report(lines, broken, options)


def measured(
    names: Sequence[str], tokenizer: Path, options: Options
) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of `benchmarks.suites`, and what to say of suites that did not end."""
    left, lines, broken = list(names), [], []
    end = time.monotonic() + _LIMIT
    folder = options.work / "gpu"
    while left and time.monotonic() < end:
        log = folder / f"{left[0]}.log"
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.suites", options.device]
        command += [tokenizer, folder, ",".join(left), *(["--tiny"] if options.tiny else [])]
        say(f"gpu: its log is {log}")
        variables = environment(folder / "cache")
        if options.device != "cpu":
            del variables["OMP_NUM_THREADS"]
            # Trainers would spread over all that they see.
            variables.setdefault("CUDA_VISIBLE_DEVICES", "0")
        try:
            measure.run(command, log=log, environment=variables, limit=end - time.monotonic())
            why = None
        except measure.CommandFailed as error:
            why = str(error).strip().splitlines()[-1]
        found = list(_read(log))
        lines += found
        ended = {line["suite"] for line in found if line.get("ends")}
        left = [name for name in left if name not in ended]
        if why is not None and left:
            broken.append(f"{left[0]} ended the process: {why}")
            left = left[1:]
    broken += [f"{name} was not begun: the time was up" for name in left]
    return lines, broken


def _read(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith('{"suite"'):
            yield json.loads(line)


def report(lines: Sequence[Row], broken: Sequence[str], options: Options) -> list[Headline]:
    """Print the tables and write the results; raises `Failed` where something is wrong."""
    fastest = max(
        (line["tflops"] for line in lines if str(line.get("what", "")).startswith("products")),
        default=None,
    )
    name = gpus()[0] if options.device != "cpu" else ""
    peaks = (nominal(name), fastest * 1e12 if fastest else None)
    runs = [line for line in lines if "losses" in line and "job" in line]
    summaries = [
        {**_summary([run for run in runs if run["job"] == job], peaks), "suite": suite}
        for job, suite in dict.fromkeys((run["job"], run["suite"]) for run in runs)
    ]
    write(options.results, "gpu", [*lines, *summaries])
    _show_parts(lines)
    for each in summaries:
        _show(each)
    for line in lines:
        if "left_out" in line:
            arm = line.get("arm", "all arms")
            say(f"{line['suite']}: {line['job']}, {arm} left out: {line['left_out']}")
    bars = [
        (f"{each['job']}: {arm}", found["ratio"])
        for each in summaries
        for arm, found in each["arms"].items()
        if found["ratio"] is not None
    ]
    picture(
        "Real tokens per second, as a multiple of the first arm", bars, options.results / "gpu.svg"
    )
    if wrong := [*broken, *differences(summaries)]:
        raise Failed("; ".join(wrong))
    return [
        Headline(f"gpu, {each['job']}: tokens/s", found["ratio"])
        for each in summaries
        for arm, found in each["arms"].items()
        if arm == OURS and found["ratio"] is not None
    ]


def _summary(runs: Sequence[Row], peaks: tuple[float | None, float | None]) -> dict[str, Any]:
    """As on a CPU; beside it the share of what the device gives, and the error of the plan."""
    names = [run["arm"] for run in runs]
    found = summary(runs, BASELINE if BASELINE in names else names[0])
    for arm, numbers in found["arms"].items():
        mine = [run for run in runs if run["arm"] == arm]
        rate = median(run["tflops"] * 1e12 for run in mine)
        numbers["mfu"], numbers["of_products"] = (rate / peak if peak else None for peak in peaks)
        numbers["tokens_per_wall_second"] = median(
            run["real_tokens"] / run["wall_seconds"] for run in mine
        )
        errors = [_error(run) for run in mine]
        numbers["plan_error"] = errors[0] if errors else None
    return found


def _error(run: Row) -> float | None:
    """How far the plan is from the memory that tensors took, as a fraction: 0.1 is 10% too much."""
    predicted, measured = run.get("predicted_mib"), run["peak_mib"]["allocated"]
    if predicted is None or not measured:
        return None
    return float(predicted["allocated"] / measured - 1)


def _show_parts(lines: Sequence[Row]) -> None:
    parts = [line for line in lines if "what" in line]
    if parts:
        columns = ("tflops", "gb_per_second", "milliseconds", "peak_mib")
        show(
            "gpu: the device and its parts",
            ("", "TFLOP/s", "GB/s", "ms", "peak MiB"),
            ((line["what"], *(line.get(name, "") for name in columns)) for line in parts),
        )


def _show(each: Mapping[str, Any]) -> None:
    useful = (
        "" if each["useful"] is None else f": {each['useful']:.0%} of the padded tokens are real"
    )
    show(
        f"gpu, {each['suite']} {each['job']}{useful}",
        (
            "",
            "tokens/s",
            "ms/step",
            "MFU",
            "of GEMM",
            "MiB",
            "1st s",
            "ratio",
            "losses",
            "grads",
            "plan",
        ),
        (
            (
                arm,
                found["tokens_per_wall_second"],
                found["step_seconds"] * 1000,
                _share(found["mfu"]),
                _share(found["of_products"]),
                found["peak_mib"],
                found["first_step_seconds"],
                "-" if found["ratio"] is None else found["ratio"],
                _apart(found["apart"]),
                _apart(found["gradients_apart"]),
                "-" if found["plan_error"] is None else f"{found['plan_error']:+.0%}",
            )
            for arm, found in each["arms"].items()
        ),
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _apart(difference: float | None) -> str:
    return "other" if difference is None else f"{difference:.0e}"
