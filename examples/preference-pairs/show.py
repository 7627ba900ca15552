"""Shows the manner in which models answer: `python show.py RUN...`.

Each run's model answers the held-out questions. Tokens are drawn as likely as the model
holds them, so that the shares are what it would say, and not only what it holds likeliest.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer, pipeline, set_seed
from transformers.utils import logging

QUESTIONS = Path(__file__).parent / "data" / "held_out_pairs.jsonl"
POLITE = "Gladly: "


def main(runs: Sequence[Path]) -> None:
    """Print how the models answer, one line for each of them, and then some answers."""
    pairs = [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    prompts = [pair["prompt"] for pair in pairs]
    words = [pair["rejected"][0]["content"] for pair in pairs]
    said = {str(run): answers(run / "model", prompts) for run in runs}
    print(f"{'answers to held-out questions':<32}{'polite':>8}{'right':>8}")
    for run, texts in said.items():
        polite = sum(text.startswith(POLITE) for text in texts) / len(texts)
        right = [text.removeprefix(POLITE) == word for text, word in zip(texts, words, strict=True)]
        print(f"{run:<32}{polite:>8.1%}{sum(right) / len(right):>8.1%}")
    for at in range(3):
        print(prompts[at][0]["content"], *(texts[at] for texts in said.values()), sep="  |  ")


def answers(model: Path, prompts: Sequence[list[dict[str, str]]]) -> list[str]:
    """An answer of the model to each prompt."""
    set_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    chat = pipeline("text-generation", str(model), tokenizer=tokenizer)
    drawing = {"do_sample": True, "temperature": 1.0, "top_k": 0, "max_new_tokens": 24}
    given = chat(prompts, batch_size=len(prompts), return_full_text=False, **drawing)
    return [answer["generated_text"] for (answer,) in given]


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    main([Path(name) for name in sys.argv[1:]])
