"""Lets the result of a run answer its held-out prompts in three programs, and compares.

    python -m tests.runs.exports.answers RUN [GGUF]

The first is the run itself, as it was scored when training ended. The second is plain
transformers on the whole model: `RUN/merged` where the run made an adapter, else `RUN/model`.
The third is llama.cpp on GGUF (`RUN/export/gguf/*.gguf` unless told otherwise), asked
through the chat template that is in the file; it needs `llama-cpp-python`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe_runner.execute.console import Silent
from recipe_runner.execute.finished import FinishedRun, open_run
from recipe_runner.execute.suppliers import default_suppliers
from recipe_runner.execute.tokenizer import load_tokenizer

Turns = Sequence[dict[str, Any]]


def held_out(finished: FinishedRun) -> list[tuple[Turns, str]]:
    """The prompts that the run was scored on, with what should be answered."""
    plan = finished.plan
    assert plan.monitor.score is not None, "the run was not scored"
    suppliers = default_suppliers()
    data = suppliers.prepare(plan, load_tokenizer(plan.tokenizer), Silent())
    rows = suppliers.conversations(plan, data, plan.monitor.score.rows)
    asked = []
    for row in rows:
        last = max(n for n, turn in enumerate(row) if turn["role"] == "assistant")
        asked.append((row[:last], str(row[last]["content"])))
    return asked


def in_the_run(finished: FinishedRun) -> list[str]:
    """What was answered when training ended."""
    scored = json.loads(finished.run.score_file.read_text(encoding="utf-8"))
    return list(scored["answers_after"])


def in_transformers(folder: Path, prompts: Sequence[Turns], longest: int) -> list[str]:
    """Greedy answers of a model folder, one prompt at a time, with nothing of ours."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForCausalLM.from_pretrained(str(folder))
    answers = []
    for prompt in prompts:
        ids = tokenizer.apply_chat_template(
            list(prompt), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        output = model.generate(**ids, do_sample=False, max_new_tokens=longest)
        new = output[0, ids["input_ids"].shape[1] :]
        answers.append(tokenizer.decode(new, skip_special_tokens=True))
    return answers


def in_llama_cpp(file: Path, prompts: Sequence[Turns], longest: int) -> list[str]:
    """Greedy answers of a GGUF file, by its own chat template."""
    from llama_cpp import Llama

    model = Llama(model_path=str(file), n_ctx=0, n_threads=1, verbose=False)
    answers = []
    for prompt in prompts:
        answer = model.create_chat_completion(
            messages=list(prompt), max_tokens=longest, temperature=0.0
        )
        answers.append(answer["choices"][0]["message"]["content"])
    model.close()
    return answers


def main(run: str, gguf: str | None = None) -> None:
    """Print how many answers are right, and how many are those of the run."""
    finished = open_run(Path(run))
    asked = held_out(finished)
    prompts = [prompt for prompt, _ in asked]
    assert finished.plan.monitor.score is not None
    longest = finished.plan.monitor.score.max_new_tokens
    folder = finished.run.path / "merged" if finished.is_adapter else finished.run.model
    file = Path(gguf) if gguf else next((finished.run.path / "export" / "gguf").glob("*.gguf"))
    first = in_the_run(finished)
    found = {
        "the run, when training ended": first,
        f"plain transformers, {folder.name}/": in_transformers(folder, prompts, longest),
        f"llama.cpp, {file.name}": in_llama_cpp(file, prompts, longest),
    }
    print(f"{'answered by':<44} {'right':>10} {'as the run':>12}")
    for name, answers in found.items():
        pairs = zip(answers, asked, strict=True)
        right = sum(answer.strip() == wanted.strip() for answer, (_, wanted) in pairs)
        same = sum(one.strip() == other.strip() for one, other in zip(first, answers, strict=True))
        print(f"{name:<44} {right:>4} of {len(asked)} {same:>5} of {len(asked)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
