"""`python -m tests.runs.algorithms.matrix [ALGORITHM ...]`: every algorithm and every loss, on a CPU.

Two optimizer steps on a tiny random model for each algorithm, and again for each value of
each of its options that are words (losses, divergences, levels), in full and with LoRA,
each from a recipe. Prints a table: the losses of both steps, or the diagnostic.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from recipe_runner.compiler.machine import machine
from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import discover
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.pipeline import compile_file
from tests.runs.algorithms.data import write
from tests.runs.train.by_hand import Recorder

ALGORITHMS: Mapping[str, type[Algorithm]] = discover("recipe_runner.components.algorithms")  # type: ignore[assignment]

SHORT: Mapping[str, Any] = {
    "max_completion_length": 6,
    "max_new_tokens": 6,
    "num_generations": 2,
    "num_value_samples": 2,
}
"""Options that keep answers short, for the algorithms that have them."""

COMPANY: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("loss_type", "exo_pair"): {"label_smoothing": 1e-3},
    ("loss_type", "luspo"): {"importance_sampling_level": "sequence"},
    ("importance_sampling_level", "sequence"): {"loss_type": "grpo"},
    ("distillation_mode", "topk_logits"): {"distillation_topk": 20},
    ("distillation_mode", "sampled_token"): {"distillation_alpha": 1.0},
    ("reverse_kl_top_1_mode", "argmax"): {"distillation_objective": "jsd"},
    ("uld_token_merge_strategy", "bayesian"): {"use_uld_loss": True, "use_extended_uld": False},
}
"""What an option needs beside it, by its name and value."""

NEEDED: Mapping[str, Any] = {"teacher_model_server_url": "http://127.0.0.1:8001"}
"""Values of options that some algorithms cannot do without."""

_LEFT_OUT = ("vllm_",)
"""Beginnings of options that this machine cannot run: they want a GPU."""


@dataclass(frozen=True)
class Case:
    """A recipe: an algorithm with options, in full or with an adapter."""

    algorithm: str
    options: Mapping[str, Any] = field(default_factory=dict)
    adapter: bool = False

    @property
    def name(self) -> str:
        """What the table calls it."""
        said = ", ".join(f"{key} {value}" for key, value in self.options.items())
        return f"{self.algorithm} {said}".strip()


@dataclass(frozen=True)
class Result:
    """The losses and the lengths of the gradients of both steps, or what was said instead."""

    losses: tuple[float, ...] = ()
    norms: tuple[float, ...] = ()
    said: str = ""

    @property
    def trained(self) -> bool:
        """True where both steps had finite losses and some gradient."""
        finite = all(math.isfinite(value) for value in (*self.losses, *self.norms))
        return len(self.losses) == 2 and finite and any(norm > 0 for norm in self.norms)

    def __str__(self) -> str:
        if self.said:
            return self.said
        losses = " ".join(f"{loss:9.4f}" for loss in self.losses)
        norms = " ".join(f"{norm:8.3g}" for norm in self.norms)
        return f"{'ok ' if self.trained else 'NO '} loss {losses}   gradient {norms}"


def cases(names: Sequence[str] = ()) -> Iterator[Case]:
    """Each algorithm as it stands, then with each other value of its options that are words."""
    for name, kind in ALGORITHMS.items():
        if names and name not in names:
            continue
        for adapter in (False, True):
            yield Case(name, {}, adapter)
            for option, value in words(kind):
                yield Case(name, {option: value, **COMPANY.get((option, value), {})}, adapter)


def words(kind: type[Algorithm]) -> Iterator[tuple[str, str]]:
    """Options of `kind` that take one of several words, with each that is no default."""
    for name, info in kind.model_fields.items():
        if name == "type" or name.startswith(_LEFT_OUT):
            continue
        default = info.get_default(call_default_factory=True)
        for word in _words(info.annotation):
            if word not in (default if isinstance(default, tuple) else (default,)):
                yield name, word


def _words(hint: Any) -> Iterator[str]:
    if get_origin(hint) is Literal:
        yield from (word for word in get_args(hint) if isinstance(word, str))
        return
    for inner in get_args(hint):
        yield from _words(inner)


def recipe_of(case: Case, folder: Path, model: Path, teacher: Path) -> Path:
    """Write the recipe of a case and its data into `folder`."""
    kind = ALGORITHMS[case.algorithm]
    short = {name: value for name, value in SHORT.items() if name in kind.model_fields}
    needed = {
        k: v
        for k, v in NEEDED.items()
        if kind.model_fields.get(k) and kind.model_fields[k].is_required()
    }
    algorithm = {"type": case.algorithm, **short, **needed, **case.options}
    if "teacher_model" in kind.model_fields:
        algorithm["teacher_model"] = str(teacher)
    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": str(model),
        "data": {"train": {"path": str(write(folder, kind.example_shapes[0]))}, "max_length": 64},
        "algorithm": algorithm,
        "training": {
            "max_steps": 2,
            "global_batch_size": 4,
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "warmup_steps": 0,
        },
        "output_dir": str(folder / "run"),
    }
    if case.adapter:
        recipe["adapter"] = {"type": "lora", "r": 4}
    if kind.rewarded:
        length = {"type": "length", "unit": "characters", "target": 8}
        recipe["rewards"] = [length, {"type": "exact_match", "weight": 2.0}]
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    return file


def run(case: Case, folder: Path, model: Path, teacher: Path) -> Result:
    """Train a case in this process."""
    from recipe_runner.execute.launch import launch

    file = recipe_of(case, folder, model, teacher)
    compiled = compile_file(str(file), machine("cpu"), cwd=folder)
    if compiled.plan is None:
        return Result(said=_said(compiled.report))
    try:
        outcome = launch(compiled.plan, file.read_text(), "", Recorder(), overwrite=True)
    except DiagnosticError as error:
        return Result(said=_said(error.diagnostics))
    rows = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = [row for row in map(json.loads, rows) if row["kind"] == "train"]
    losses = tuple(row["loss"] for row in logged)
    return Result(losses, tuple(row.get("grad_norm", math.nan) for row in logged))


def _said(diagnostics: Any) -> str:
    errors = [d for d in diagnostics if d.severity == "error"]
    return "; ".join(f"{d.code.id} {d.message}" for d in errors)


def main(names: Sequence[str]) -> int:
    """Run the cases and print the table; the exit code counts what did not train."""
    from tests.tiny import tiny_model

    failed = 0
    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        model, teacher = tiny_model(root / "model"), tiny_model(root / "teacher", seed=1)
        for number, case in enumerate(cases(names)):
            folder = root / str(number)
            folder.mkdir()
            result = run(case, folder, model, teacher)
            failed += not result.trained
            how = "lora" if case.adapter else "full"
            print(f"{case.name:56} {how}  {result}", flush=True)
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
