"""Shows how well the small decoder imitates its teacher: `python show.py`, after both stages.

The models answer the quickstart's held-out questions: once with the token that they hold
likeliest, and once with tokens drawn as likely as they hold them, which shows doubts.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline, set_seed
from transformers.utils import logging

RUNS = ("runs/quickstart", "runs/distillation/gkd", "runs/distillation/distillation")
QUESTIONS = Path(__file__).parents[2] / "recipes" / "quickstart-data" / "held_out.jsonl"


def main() -> None:
    """Print the share of right answers, one line for each model."""
    rows = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    print(f"{'right answers':<30}{'parameters':>12}{'likeliest':>12}{'drawn':>8}")
    for run in RUNS:
        model = Path(run) / "model"
        size = AutoModelForCausalLM.from_pretrained(model).num_parameters()
        likeliest, drawn = (right(model, rows, draw=draw) for draw in (False, True))
        print(f"{run:<30}{size:>12,}{likeliest:>12.1%}{drawn:>8.1%}")


def right(model: Path, rows: Sequence[dict[str, list[dict[str, str]]]], *, draw: bool) -> float:
    """The share of questions that the model answers as the data do."""
    set_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    chat = pipeline("text-generation", str(model), tokenizer=tokenizer)
    drawing = {"do_sample": True, "temperature": 1.0, "top_k": 0} if draw else {"do_sample": False}
    said = chat(
        [row["messages"][:-1] for row in rows],
        batch_size=len(rows),
        max_new_tokens=12,
        return_full_text=False,
        **drawing,
    )
    wanted = [row["messages"][-1]["content"] for row in rows]
    found = [each["generated_text"] == word for (each,), word in zip(said, wanted, strict=True)]
    return sum(found) / len(found)


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    main()
