"""Shows that `PRMTrainer` teaches a judge: `python -m tests.runs.prm.arithmetic`.

The shipped decoder of 0.4 million parameters, with random weights, reads chains of sums
half of whose steps are wrong, and judges chains that it has not seen. Guessing is right
half the time. Takes about two minutes on a CPU core.
"""

from __future__ import annotations

import argparse
import json
import runpy
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from recipe_runner.components.format import Example
from recipe_runner.components.formats.stepwise import Stepwise
from recipe_runner.execute.tokenize import Tokenized, TokenizeSettings
from recipe_runner.execute.tokenize.steps import StepTokenizer
from recipe_runner.plan import LossPlan

ROOT = Path(__file__).parents[3]
STEPS = 700


@dataclass(frozen=True)
class Judged:
    """Shares of held-out steps judged as labelled, in all and by position, and of whole chains."""

    steps: float
    positions: tuple[float, ...]
    chains: float

    def __str__(self) -> str:
        places = ", ".join(f"step {n} {share:.1%}" for n, share in enumerate(self.positions, 1))
        return f"{self.steps:6.1%} of steps ({places}), {self.chains:6.1%} of whole chains"


@dataclass(frozen=True)
class Shown:
    """What a judge knows before and after training, and what the trainer says of the latter."""

    before: Judged
    after: Judged
    evaluation: dict[str, float]


def examples_of(file: Path) -> list[Example]:
    """The rows of a stepwise file."""
    read = Stepwise(type="stepwise").to_example
    return [read(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def tokenized(examples: Sequence[Example], tokenizer: Any) -> list[Tokenized]:
    """The examples as `StepTokenizer` reads them; each has a row."""
    rows: list[Tokenized] = []
    for found in StepTokenizer.of(tokenizer, TokenizeSettings(LossPlan.of("all")))(examples):
        assert isinstance(found, tuple), found
        rows += found
    return rows


def judge(model: Any, rows: Sequence[Tokenized]) -> Judged:
    """What the model says of each step, a row at a time and without the trainer."""
    import torch

    model.eval()
    verdicts = []
    for row in rows:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row.input_ids])).logits[0]
        ends = [(at, label) for at, label in enumerate(row.labels) if label != -100]
        verdicts.append([bool(logits[at, 1] > logits[at, 0]) == bool(label) for at, label in ends])
    return Judged(
        steps=sum(map(sum, verdicts)) / sum(map(len, verdicts)),
        positions=tuple(sum(each) / len(each) for each in zip(*verdicts, strict=True)),
        chains=sum(map(all, verdicts)) / len(verdicts),
    )


def show(folder: Path, steps: int) -> Shown:
    """Train for so many optimizer steps, with the example's data."""
    import datasets
    import torch
    import transformers

    from recipe_runner.execute.prm.trainer import PRMTrainer
    from recipe_runner.execute.sft.collator import Collator

    runpy.run_path(str(ROOT / "examples" / "process-reward" / "make_data.py"))["main"](folder)
    shipped = Path(str(files("recipe_runner.shipped")))
    tokenizer = transformers.AutoTokenizer.from_pretrained(shipped / "tokenizers" / "quickstart")
    train, held_out = (
        tokenized(examples_of(folder / f"{name}.jsonl"), tokenizer)
        for name in ("train", "held_out")
    )
    config = transformers.AutoConfig.from_pretrained(
        shipped / "models" / "quickstart", num_labels=2
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForTokenClassification.from_config(config)
    before = judge(model, held_out)
    trainer = PRMTrainer(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=str(folder / "run"),
            per_device_train_batch_size=32,
            per_device_eval_batch_size=64,
            max_steps=steps,
            learning_rate=1e-3,
            lr_scheduler_type="cosine",
            warmup_steps=0.1,
            adam_beta2=0.98,
            weight_decay=0.1,
            logging_steps=100,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            seed=42,
        ),
        processing_class=tokenizer,
        data_collator=Collator(tokenizer.pad_token_id),
        train_dataset=datasets.Dataset.from_list(list(map(_item, train))),
        eval_dataset=datasets.Dataset.from_list(list(map(_item, held_out))),
    )
    trainer.train()
    return Shown(before, judge(model, held_out), trainer.evaluate())


def _item(row: Tokenized) -> dict[str, list[int]]:
    return {"input_ids": row.input_ids, "labels": row.labels}


def main() -> None:
    """Train, and print what held-out chains show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="optimizer steps")
    steps = parser.parse_args().steps
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        shown = show(Path(folder), steps)
    print(f"before  {shown.before}")
    print(f"after   {shown.after}")
    for name in ("eval_loss", "eval_accuracy", "eval_answer_accuracy"):
        print(f"the trainer's {name}: {shown.evaluation[name]:.4f}")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
