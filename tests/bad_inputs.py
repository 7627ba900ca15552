"""One file for each bad input that a recipe can hold: `python -m tests.bad_inputs DIR`.

Each recipe is right but for one thing, which its name says. Their data files lie in
`data/`. The two `good-` recipes are near misses: they must stay clean.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

HEAD = "recipe: 1\nmodel: org/model-id\n"
DATA = "data: {train: data/chat.jsonl}\n"
TAIL = "algorithm: sft\noutput_dir: runs/x\n"


def chat(question: str, answer: str) -> str:
    """A row of chat data."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}) + "\n"


def bomb(depth: int) -> str:
    """Aliases that stand for ten of the one before, `depth` times over."""
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    levels = (
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, depth)
    )
    return first + "".join(levels)


TINY = (
    "model: {name_or_path: shipped:quickstart, random_init: true}\ntokenizer: shipped:quickstart\n"
)

LLAMA = "recipe: 1\nmodel: llama\ntokenizer: shipped:quickstart\n"
"""A small Llama in a folder beside the recipe."""

RECIPES: Mapping[str, str | bytes] = {
    "misspelt-key": HEAD + DATA + TAIL + "training: {learning_rat: 1e-4}\n",
    "misspelt-key-at-the-top": HEAD + DATA + TAIL + "adaptor: lora\n",
    "misspelt-key-in-a-data-set": HEAD
    + "data:\n  train:\n    - path: data/chat.jsonl\n      formt: messages\n"
    + TAIL,
    "misspelt-key-in-pass-through": HEAD
    + DATA
    + "algorithm: {type: sft, extra: {eval_on_strat: true}}\noutput_dir: runs/x\n",
    "wrong-type": HEAD + DATA + TAIL + "training:\n  learning_rate: fast\n",
    "out-of-range": HEAD + DATA + TAIL + "training:\n  adam_beta2: 1.5\n",
    "both-4-bit-and-8-bit": HEAD
    + "quantization: [bnb_4bit, bnb_8bit]\nadapter: lora\n"
    + DATA
    + TAIL,
    "adapter-with-rank-0": HEAD + "adapter: {type: lora, r: 0}\n" + DATA + TAIL,
    "data-path-missing": HEAD + "data: {train: data/chta.jsonl}\n" + TAIL,
    "rows-without-the-column": HEAD
    + "data: {train: {path: data/answers.jsonl, format: prompt_completion}}\n"
    + TAIL,
    "repeated-key": HEAD + DATA + TAIL + "seed: 1\nseed: 2\n",
    "tab": HEAD + DATA + TAIL + "training:\n\tlearning_rate: 1e-4\n",
    "indent": HEAD + DATA + TAIL + "training:\n  learning_rate: 1e-4\n   max_steps: 5\n",
    "empty": "",
    "not-utf-8": (HEAD + "description: caf").encode() + b"\xe9\n" + (DATA + TAIL).encode(),
    "several-documents": HEAD + DATA + TAIL + "---\nrecipe: 1\n",
    "alias-that-recurses": HEAD + DATA + TAIL + "tags: &a [*a]\n",
    "aliases-that-explode": bomb(6) + HEAD + DATA + TAIL,
    "number-as-text": HEAD + DATA + TAIL + 'training: {learning_rate: "1e-4"}\n',
    "algorithm-does-not-fit": HEAD + "data: {train: data/pairs.jsonl}\n" + TAIL,
    "malformed-line": HEAD + "data: {train: data/malformed.jsonl}\n" + TAIL,
    "truncated-last-line": HEAD + "data: {train: data/truncated.jsonl}\n" + TAIL,
    "max-length-beyond-context": "recipe: 1\n"
    + TINY
    + "data: {train: data/chat.jsonl, max_length: 4096}\n"
    + TAIL,
    "unknown-model-path": "recipe: 1\nmodel: ./models/tiny\n" + DATA + TAIL,
    "output-dir-not-writable": HEAD + DATA + "algorithm: sft\noutput_dir: data/chat.jsonl/run\n",
    "no-token-to-train-in-a-row": HEAD + "data: {train: data/one-unanswered.jsonl}\n" + TAIL,
    "no-token-to-train-at-all": HEAD + "data: {train: data/unanswered.jsonl}\n" + TAIL,
    "pairs-without-a-rejected-answer": HEAD
    + "data: {train: {path: data/half-pairs.jsonl, format: preference}}\n"
    + "algorithm: dpo\noutput_dir: runs/x\n",
    "verdicts-all-alike": HEAD
    + "data: {train: data/liked.jsonl}\nalgorithm: kto\noutput_dir: runs/x\n",
    "prompt-that-is-empty": HEAD
    + "data: {train: data/questions.jsonl}\nalgorithm: grpo\nrewards: length\noutput_dir: runs/x\n",
    "reward-of-ones-own-not-allowed": HEAD
    + "data: {train: data/asked.jsonl}\nalgorithm: grpo\n"
    + "rewards: {type: python, path: data/judge.py, function: politeness}\noutput_dir: runs/x\n",
    "reward-without-its-column": HEAD
    + "data: {train: data/asked.jsonl}\nalgorithm: grpo\n"
    + "rewards: {type: exact_match, column: anwser}\noutput_dir: runs/x\n",
    "steps-and-labels-of-different-length": HEAD
    + "data: {train: data/steps.jsonl}\nalgorithm: prm\noutput_dir: runs/x\n",
    "answers-that-make-no-round": HEAD
    + "data: {train: data/asked.jsonl}\nalgorithm: {type: grpo, num_generations: 7}\n"
    + "rewards: length\ntraining: {global_batch_size: 16}\noutput_dir: runs/x\n",
    "adapter-on-a-module-that-is-not-there": LLAMA
    + "adapter: {type: lora, target_modules: [q_proj, v_porj]}\n"
    + DATA
    + TAIL,
    "adapter-on-a-layer-that-is-not-there": LLAMA
    + "adapter: {type: lora, target_modules: [q_proj], layers_to_transform: [0, 2]}\n"
    + DATA
    + TAIL,
    "rank-larger-than-the-layer": LLAMA + "adapter: {type: lora, r: 64}\n" + DATA + TAIL,
    "frozen-parameter-that-is-not-there": "recipe: 1\n"
    + "model: {name_or_path: llama, freeze: [embed_token$]}\n"
    + "tokenizer: shipped:quickstart\n"
    + DATA
    + TAIL,
    "packing-of-pairs": HEAD
    + "data: {train: data/pairs.jsonl, packing: bfd}\nalgorithm: dpo\noutput_dir: runs/x\n",
    "good-1e-4-in-every-spelling": HEAD
    + DATA
    + TAIL
    + "training:\n  learning_rate: 1e-4\n  adam_epsilon: 1.0E-8\n  weight_decay: .1\n  max_grad_norm: 1.\n"
    "  adam_beta1: 9E-1\n  adam_beta2: +0.95\n",
    "good-bad-rows-skipped": HEAD
    + "data: {train: {path: data/malformed.jsonl, on_bad_row: drop}}\n"
    + TAIL,
}

GOOD = chat("Hi", "Hello") + chat("Bye", "See you")
ROWS: Mapping[str, str] = {
    "chat.jsonl": GOOD,
    "answers.jsonl": '{"prompt": "2 + 2 =", "completion": " 4"}\n{"prompt": "2 + 3 =", "answer": " 5"}\n',
    "pairs.jsonl": '{"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}\n',
    "half-pairs.jsonl": '{"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}\n'
    '{"prompt": "2 + 3 =", "chosen": " 5"}\n',
    "liked.jsonl": '{"prompt": "2 + 2 =", "completion": " 4", "label": true}\n' * 8,
    "questions.jsonl": '{"prompt": "2 + 2 ="}\n{"prompt": ""}\n',
    "asked.jsonl": '{"prompt": "2 + 2 =", "answer": "4"}\n' * 8,
    "steps.jsonl": '{"prompt": "2 + 2 + 2 =", "completions": ["2 + 2 = 4", "4 + 2 = 6"], "labels": [true, true]}\n'
    '{"prompt": "2 + 2 + 2 =", "completions": ["2 + 2 = 4", "4 + 2 = 7"], "labels": [true]}\n',
    "judge.py": "def politeness(completions, **_):\n    return [float('please' in c) for c in completions]\n",
    "malformed.jsonl": GOOD + '{"messages": [{"role": "user" "content": "Hm"}]}\n' + GOOD,
    "truncated.jsonl": GOOD + '{"messages": [{"role": "user", "con',
    "one-unanswered.jsonl": GOOD + '{"messages": [{"role": "user", "content": "Anyone?"}]}\n',
    "unanswered.jsonl": '{"messages": [{"role": "user", "content": "Anyone?"}]}\n' * 2,
}


CONFIG: Mapping[str, str | int] = {
    "model_type": "llama",
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def write(directory: Path) -> None:
    """Write all recipes into `directory`, their rows into its folder `data`, and a model."""
    (directory / "data").mkdir(parents=True, exist_ok=True)
    (directory / "llama").mkdir(exist_ok=True)
    (directory / "llama" / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (directory / "llama" / "model.safetensors").write_bytes(b"")
    for name, content in RECIPES.items():
        data = content if isinstance(content, bytes) else content.encode()
        (directory / f"{name}.yaml").write_bytes(data)
    for name, rows in ROWS.items():
        (directory / "data" / name).write_text(rows, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
