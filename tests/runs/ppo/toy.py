"""A task small enough to be learned on a CPU in a minute: repeat the digit that is asked for.

A tiny decoder gets "7=" and answers with four tokens out of thirteen. The reward is the share
of the four places that hold the digit: 0.07 by chance, 1 at most.

`python -m tests.runs.ppo.toy` trains it with PPO, and with TRL's GRPO and RLOO beside it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe_runner.components.algorithms.ppo import Ppo

DIGITS = "0123456789"
LENGTH = 4
CHANCE = sum((12 / 13) ** place / 13 for place in range(LENGTH)) / LENGTH
"""Without preferences, each of thirteen tokens is as likely, and the end may come early."""
MAXIMUM = 1.0
ALGORITHMS = ("ppo", "grpo", "rloo")
WINDOW = 10


def tokenizer(folder: Path) -> Any:
    """Save and return a tokenizer of thirteen tokens, one character each."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: n for n, token in enumerate(["<pad>", "<eos>", "=", *DIGITS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="="))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<eos>", pad_token="<pad>", padding_side="left"
    )
    made.save_pretrained(folder)
    return made


def policy(folder: Path, seed: int = 0) -> Path:
    """Write a random decoder of two layers with its tokenizer, and return `folder`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokens = tokenizer(folder)
    config = AutoConfig.for_model(
        "llama",
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    return folder


def prompts(rows: int = 400) -> Any:
    """The ten questions, over and over; `digit` is what should stand in the answer."""
    from datasets import Dataset

    digits = [DIGITS[n % 10] for n in range(rows)]
    return Dataset.from_dict({"prompt": [f"{d}=" for d in digits], "digit": digits})


def share_of_digit(completions: Sequence[str], digit: Sequence[str], **_: Any) -> list[float]:
    """The share of the four places that hold the digit."""
    return [c.count(d) / LENGTH for c, d in zip(completions, digit, strict=True)]


def arguments(folder: Path, **changes: Any) -> dict[str, Any]:
    """Arguments that all three trainers share."""
    return {
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": 80,
        "num_generations": 4,
        "max_completion_length": LENGTH,
        "num_iterations": 2,
        "beta": 0.01,
        "learning_rate": 4e-3,
        "lr_scheduler_type": "linear",
        "max_steps": 300,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        **changes,
    }


def ppo_options(**changes: Any) -> dict[str, Any]:
    """The options of `PPOTrainer`: those of a recipe, with a head that learns as fast as the toy."""
    return dict(Ppo(type="ppo", **{"value_learning_rate": 3e-2, **changes}).trainer_arguments())


def trainer(
    kind: str, folder: Path, *, options: dict[str, Any] | None = None, **changes: Any
) -> Any:
    """A trainer of the toy task by the name of its algorithm, on the model in `folder`.

    `changes` are arguments of the configuration, and a few of the trainer itself.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.trainer_callback import PrinterCallback
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    from recipe_runner.execute.ppo.trainer import PPOTrainer

    classes: dict[str, tuple[Any, Any]] = {
        "ppo": (PPOTrainer, GRPOConfig),
        "grpo": (GRPOTrainer, GRPOConfig),
        "rloo": (RLOOTrainer, RLOOConfig),
    }
    trainer_class, config = classes[kind]
    own = ppo_options(**(options or {})) if kind == "ppo" else {}
    taken = ("reward_funcs", "callbacks", "peft_config", "train_dataset")
    given = {name: changes.pop(name) for name in taken if name in changes}
    made = trainer_class(
        **{
            "model": AutoModelForCausalLM.from_pretrained(folder),
            "args": config(**arguments(folder, **changes)),
            "processing_class": AutoTokenizer.from_pretrained(folder),
            "train_dataset": prompts(),
            "eval_dataset": prompts(10),
            "reward_funcs": [share_of_digit],
            **own,
            **given,
        }
    )
    made.remove_callback(PrinterCallback)
    return made


def rewards(trained: Any) -> list[float]:
    """The mean reward of each round of answers, in order."""
    return [float(row["reward"]) for row in trained.state.log_history if "reward" in row]


def means(values: Sequence[float], size: int = WINDOW) -> list[float]:
    """The means of `size` values each."""
    chunks = [values[n : n + size] for n in range(0, len(values), size)]
    return [sum(chunk) / len(chunk) for chunk in chunks]


def curve(seed: int, kind: str, **changes: Any) -> list[float]:
    """Train from scratch and return the mean reward of every ten rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = policy(Path(name), seed)
        made = trainer(kind, folder, seed=seed, **changes)
        made.train()
        return means(rewards(made))


def main() -> None:
    """Print the curves of the three algorithms, one seed after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--algorithms", nargs="+", default=ALGORITHMS, choices=ALGORITHMS)
    given = parser.parse_args()
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print(f"chance {CHANCE:.3f}, maximum {MAXIMUM:.3f}; mean reward of every {WINDOW} rounds")
    for seed in given.seeds:
        for kind in given.algorithms:
            started = time.monotonic()
            row = " ".join(f"{mean:.2f}" for mean in curve(seed, kind))
            print(f"seed {seed} {kind:>4}: {row}  ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
