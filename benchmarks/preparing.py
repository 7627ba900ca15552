"""Prepares the chat rows once, ours or TRL's way, and prints what it took as one JSON line.

`python -m benchmarks.preparing recipe_runner|raw_trl RECIPE DATA PROCESSES`: a process of
its own, run by `benchmarks.prepare`. Imports and loading the tokenizer are not counted,
reading the file is.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any


def main(arm: str, recipe: str, data: str, processes: str) -> None:
    """Print rows, seconds and MiB."""
    if arm == "recipe_runner":
        found = _ours(Path(recipe), int(processes))
    else:
        found = _trl(Path(recipe).parent / "model", data, int(processes))
    peak = {
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peak_rss_children": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    print("\n" + json.dumps({**found, **peak}))


def _ours(recipe: Path, processes: int) -> dict[str, Any]:
    from recipe_runner.diagnostics import DiagnosticError
    from recipe_runner.execute.data.prepare import prepare
    from recipe_runner.execute.environment import hush
    from recipe_runner.execute.probe import this_machine
    from recipe_runner.execute.tokenizer import load_tokenizer
    from recipe_runner.pipeline import compile_file

    compiled = compile_file(str(recipe), this_machine())
    if compiled.plan is None:
        raise DiagnosticError(*compiled.report)
    plan = replace(compiled.plan, data=replace(compiled.plan.data, num_proc=processes))
    tokenizer = load_tokenizer(plan.tokenizer)
    hush()
    started, spent = time.perf_counter(), _spent()
    prepared = prepare(plan, tokenizer)
    return {
        "rows": len(prepared.train),
        "seconds": time.perf_counter() - started,
        "cpu_seconds": _spent() - spent,
    }


def _trl(model: Path, data: str, processes: int) -> dict[str, Any]:
    from datasets import disable_progress_bars, load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    class Timed(SFTTrainer):
        seconds = cpu = 0.0

        def _prepare_dataset(self, *given: Any, **named: Any) -> Any:
            started, spent = time.perf_counter(), _spent()
            prepared = super()._prepare_dataset(*given, **named)
            type(self).seconds, type(self).cpu = time.perf_counter() - started, _spent() - spent
            return prepared

    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForCausalLM.from_pretrained(model)
    started, spent = time.perf_counter(), _spent()
    rows = load_dataset("json", data_files=data, split="train")
    reading, reading_cpu = time.perf_counter() - started, _spent() - spent
    trainer = Timed(
        model=loaded,
        processing_class=tokenizer,
        args=SFTConfig(
            output_dir=str(model.parent / "trainer"),
            max_length=512,
            assistant_only_loss=True,
            dataset_num_proc=None if processes == 1 else processes,
            bf16=False,
            use_cpu=True,
            report_to="none",
        ),
        train_dataset=rows,
    )
    return {
        "rows": len(trainer.train_dataset),
        "seconds": reading + Timed.seconds,
        "cpu_seconds": reading_cpu + Timed.cpu,
        "reading_seconds": reading,
    }


def _spent() -> float:
    """CPU seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main(*sys.argv[1:])
