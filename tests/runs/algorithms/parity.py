"""`python -m tests.runs.algorithms.parity`: recipes beside plain TRL scripts, loss by loss.

Each script below is what somebody would write by hand: TRL loads the model from its folder,
reads the rows as they are in the file, and prepares them itself. Nothing of ours is in it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Shape
from tests.runs.algorithms.data import write
from tests.runs.train.by_hand import Recorder

STEPS = 4
TOLERANCE = 1e-5
COMMON: Mapping[str, Any] = {
    "max_steps": STEPS,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 2,
    "logging_steps": 1,
    "optim": "adamw_torch",
    "seed": 42,
    "data_seed": 42,
    "use_cpu": True,
    "bf16": False,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
    "gradient_checkpointing": False,
}
"""Arguments of every script."""

FLOAT32: Mapping[str, Any] = {"dtype": "float32"}
SAMPLED = {"num_generations": 4, "max_completion_length": 6, "temperature": 0.9}


def by_length(completions: list[Any], **_: Any) -> list[float]:
    """A reward: the nearer to six characters, the better."""
    return [-abs(len(text) - 6) / 6 for text in completions]


@dataclass(frozen=True)
class Pair:
    """An algorithm of a recipe, and the script that does the same."""

    shape: Shape
    algorithm: Mapping[str, Any]
    script: Callable[[Path, Path, Path, str], Any]
    more: Mapping[str, Any] = field(default_factory=dict)


def _loaded(file: Path) -> Any:
    import datasets

    lines = file.read_text(encoding="utf-8").splitlines()
    return datasets.Dataset.from_list([json.loads(line) for line in lines])


def _sft(model: Path, file: Path, _: Path, out: str) -> Any:
    from trl import SFTConfig, SFTTrainer

    args = SFTConfig(out, max_length=64, model_init_kwargs=dict(FLOAT32), **COMMON)
    return SFTTrainer(str(model), args=args, train_dataset=_loaded(file))


def _dpo(**options: Any) -> Callable[..., Any]:
    def script(model: Path, file: Path, _: Path, out: str) -> Any:
        from trl import DPOConfig, DPOTrainer

        args = DPOConfig(out, max_length=64, model_init_kwargs=dict(FLOAT32), **COMMON, **options)
        return DPOTrainer(str(model), args=args, train_dataset=_loaded(file))

    return script


def _kto(model: Path, file: Path, _: Path, out: str) -> Any:
    from trl import KTOConfig, KTOTrainer

    args = KTOConfig(out, max_length=64, model_init_kwargs=dict(FLOAT32), **COMMON)
    return KTOTrainer(str(model), args=args, train_dataset=_loaded(file))


def _orpo(model: Path, file: Path, _: Path, out: str) -> Any:
    from transformers import AutoTokenizer
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    args = ORPOConfig(out, max_length=64, beta=0.1, model_init_kwargs=dict(FLOAT32), **COMMON)
    tokenizer = AutoTokenizer.from_pretrained(model)
    return ORPOTrainer(
        str(model), args=args, train_dataset=_loaded(file), processing_class=tokenizer
    )


def _simpo(model: Path, file: Path, _: Path, out: str) -> Any:
    from transformers import AutoTokenizer
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    simpo = {"loss_type": "simpo", "cpo_alpha": 0.0, "beta": 2.0, "simpo_gamma": 1.0}
    args = CPOConfig(out, max_length=64, model_init_kwargs=dict(FLOAT32), **simpo, **COMMON)
    tokenizer = AutoTokenizer.from_pretrained(model)
    return CPOTrainer(
        str(model), args=args, train_dataset=_loaded(file), processing_class=tokenizer
    )


def _reward(model: Path, file: Path, _: Path, out: str) -> Any:
    from trl import RewardConfig, RewardTrainer

    args = RewardConfig(out, max_length=64, model_init_kwargs=dict(FLOAT32), **COMMON)
    return RewardTrainer(str(model), args=args, train_dataset=_loaded(file))


def _grpo(model: Path, file: Path, _: Path, out: str) -> Any:
    from trl import GRPOConfig, GRPOTrainer

    args = GRPOConfig(out, model_init_kwargs=dict(FLOAT32), beta=0.04, **SAMPLED, **COMMON)
    return GRPOTrainer(str(model), reward_funcs=by_length, args=args, train_dataset=_loaded(file))


def _rloo(model: Path, file: Path, _: Path, out: str) -> Any:
    from trl import RLOOConfig, RLOOTrainer

    args = RLOOConfig(out, model_init_kwargs=dict(FLOAT32), **SAMPLED, **COMMON)
    return RLOOTrainer(str(model), reward_funcs=by_length, args=args, train_dataset=_loaded(file))


def _distillation(model: Path, file: Path, teacher: Path, out: str) -> Any:
    from trl import DistillationConfig, DistillationTrainer

    args = DistillationConfig(
        out,
        model_init_kwargs=dict(FLOAT32),
        teacher_model_init_kwargs=dict(FLOAT32),
        max_completion_length=6,
        **COMMON,
    )
    return DistillationTrainer(
        str(model), teacher_model=str(teacher), args=args, train_dataset=_loaded(file)
    )


_LENGTH = {"rewards": {"type": "python", "path": "judge.py", "function": "by_length"}}

PAIRS: Mapping[str, Pair] = {
    "sft": Pair("prompt_completion", {"type": "sft"}, _sft),
    "dpo sigmoid": Pair("preference", {"type": "dpo"}, _dpo()),
    "dpo ipo": Pair(
        "preference",
        {"type": "dpo", "loss_type": "ipo", "beta": 0.2},
        _dpo(loss_type="ipo", beta=0.2),
    ),
    "dpo apo_zero + sft": Pair(
        "preference",
        {"type": "dpo", "loss_type": ["apo_zero", "sft"], "loss_weights": [1.0, 0.5]},
        _dpo(loss_type=["apo_zero", "sft"], loss_weights=[1.0, 0.5]),
    ),
    # TRL's own script takes rows in the order of the file.
    "kto": Pair("unpaired_preference", {"type": "kto"}, _kto, {"data.shuffle": False}),
    "orpo": Pair("preference", {"type": "orpo"}, _orpo),
    "simpo": Pair("preference", {"type": "simpo", "beta": 2.0, "simpo_gamma": 1.0}, _simpo),
    "reward": Pair("preference", {"type": "reward"}, _reward),
    "grpo": Pair("prompt", {"type": "grpo", "beta": 0.04, **SAMPLED}, _grpo, _LENGTH),
    "rloo": Pair("prompt", {"type": "rloo", **SAMPLED}, _rloo, _LENGTH),
    "distillation": Pair(
        "prompt", {"type": "distillation", "max_completion_length": 6}, _distillation
    ),
}


def recipe_losses(
    pair: Pair, folder: Path, model: Path, file: Path, teacher: Path
) -> list[tuple[float, float]]:
    """The losses of the recipe, run as `recipe-run train --allow-code` runs it."""
    from recipe_runner.execute.launch import launch

    algorithm = dict(pair.algorithm)
    if algorithm["type"] == "distillation":
        algorithm["teacher_model"] = str(teacher)
    data: dict[str, Any] = {"train": str(file), "max_length": 64}
    if "data.shuffle" in pair.more:
        data["shuffle"] = pair.more["data.shuffle"]
    recipe = {
        "recipe": 1,
        "model": {"name_or_path": str(model), "dtype": "float32"},
        "data": data,
        "algorithm": algorithm,
        "training": {
            "max_steps": STEPS,
            "learning_rate": 1e-3,
            "lr_scheduler_type": "linear",
            "warmup_steps": 0,
            "global_batch_size": 8,
            "per_device_train_batch_size": 4,
            "logging_steps": 1,
            "optim": "adamw_torch",
        },
        "output_dir": str(folder / "run"),
    }
    if "rewards" in pair.more:
        recipe["rewards"] = pair.more["rewards"]
        here = Path(__file__).read_text(encoding="utf-8")
        start = here.index("def by_length")
        code = here[start : here.index("\n\n\n", start)]
        (folder / "judge.py").write_text(f"from typing import Any\n\n\n{code}\n", encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(path), machine("cpu"), cwd=folder, allow_code=True)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    outcome = launch(compiled.plan, path.read_text(), "", Recorder())
    rows = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [_numbers(row) for row in map(json.loads, rows) if row["kind"] == "train"]


def script_losses(
    pair: Pair, folder: Path, model: Path, file: Path, teacher: Path
) -> list[tuple[float, float]]:
    """The losses of the script."""
    trainer = pair.script(model, file, teacher, str(folder / "trl"))
    trainer.train()
    return [_numbers(row) for row in trainer.state.log_history if "loss" in row]


def _numbers(row: Mapping[str, Any]) -> tuple[float, float]:
    """Loss and length of the gradient: the loss of a policy gradient alone is near 0."""
    return float(row["loss"]), float(row["grad_norm"])


Steps = list[tuple[float, float]]


def both(name: str, folder: Path, model: Path, teacher: Path) -> tuple[Steps, Steps]:
    """The losses of the recipe and of the script, from the same file."""
    pair = PAIRS[name]
    file = write(folder, pair.shape)
    ours = recipe_losses(pair, folder, model, file, teacher)
    # A script of TRL prints every row that it logs.
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = script_losses(pair, folder, model, file, teacher)
    return ours, theirs


def furthest(ours: Steps, theirs: Steps) -> float:
    """The largest difference of a loss, or of a gradient's length in parts of it."""
    pairs = list(zip(ours, theirs, strict=True))
    losses = [abs(a[0] - b[0]) for a, b in pairs]
    return max(*losses, *(abs(a[1] - b[1]) / max(b[1], 1e-9) for a, b in pairs))


def _shown(steps: Steps) -> str:
    return "  ".join(f"{loss:9.6f} ({norm:7.4f})" for loss, norm in steps)


def main(names: list[str]) -> int:
    """Print both side by side; the exit code counts pairs that differ by more than `TOLERANCE`."""
    from tests.tiny import tiny_model

    apart = 0
    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        model, teacher = tiny_model(root / "model"), tiny_model(root / "teacher", seed=1)
        for name in names or PAIRS:
            folder = root / name.replace(" ", "-")
            folder.mkdir()
            ours, theirs = both(name, folder, model, teacher)
            most = furthest(ours, theirs)
            apart += most > TOLERANCE
            print(f"{name:20} recipe  {_shown(ours)}")
            print(f"{'':20} script  {_shown(theirs)}  apart {most:.1e}", flush=True)
    return apart


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
