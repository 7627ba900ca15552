"""Loads a GGUF file into llama.cpp and compares what it computes with transformers."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.exports import EXPORT_DIFFERS
from recipe_runner.execute.exports.samples import LONGEST, distance, logits, texts_for
from recipe_runner.execute.fault import fault

# How far the logits may be from transformers' own, as a share of their spread. Keys and values
# are kept as 16-bit numbers by llama.cpp whatever the weights are.
_ALLOWED = {"f32": 0.01, "f16": 0.02, "bf16": 0.05, "q8_0": 0.15}


def installed() -> bool:
    """True where `llama-cpp-python` can be imported."""
    return importlib.util.find_spec("llama_cpp") is not None


def try_file(path: Path, source: Path, kind: str) -> tuple[str, ...]:
    """Tokens and logits of sample texts in llama.cpp beside those of transformers.

    Reports RR739 where tokens are not the same, or logits are farther apart than weights of
    this `kind` explain. Weights below eight bits are told and not judged, unless their logits
    are not finite.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(source))
    longest = min(LONGEST, AutoConfig.from_pretrained(str(source)).max_position_embeddings)
    here = _loaded(path, longest)
    try:
        texts = texts_for(tokenizer)
        rows = [row[:longest] for row in _tokens(here, tokenizer, texts, path)]
        theirs = [_computed(here, row) for row in rows]
    finally:
        here.close()
    model = AutoModelForCausalLM.from_pretrained(str(source), dtype="auto", use_safetensors=True)
    found = distance(logits(model, rows), theirs)
    allowed = _ALLOWED.get(kind)
    if not math.isfinite(found.apart) or (allowed is not None and found.apart > allowed):
        explained = "" if allowed is None else f", and {kind} explains {allowed:.0%}"
        raise fault(
            EXPORT_DIFFERS,
            path.name,
            "llama.cpp computes other numbers than transformers: its logits are "
            f"{found.away('transformers')}{explained}",
            "nothing was kept; report it with the model's config.json",
        )
    return (
        f"llama.cpp makes the same tokens of {len(texts)} texts",
        f"llama.cpp's logits are {found.away('transformers')}",
    )


def _loaded(path: Path, longest: int) -> Any:
    from llama_cpp import Llama

    try:
        return Llama(
            model_path=str(path),
            n_ctx=longest,
            n_batch=longest,
            n_threads=len(os.sched_getaffinity(0)),
            logits_all=True,
            verbose=False,
        )
    except ValueError as error:
        raise fault(
            EXPORT_DIFFERS,
            path.name,
            f"llama.cpp does not load the file: {error}",
            "nothing was kept; install the newest llama-cpp-python, or report it with the "
            "model's config.json",
        ) from error


def _tokens(here: Any, tokenizer: Any, texts: Sequence[str], path: Path) -> list[list[int]]:
    found = []
    for text in texts:
        ours = tokenizer(text, add_special_tokens=False)["input_ids"]
        if ours != here.tokenize(text.encode(), add_bos=False, special=True):
            raise fault(
                EXPORT_DIFFERS,
                path.name,
                f"llama.cpp makes other tokens of {text!r}",
                "nothing was kept; report it with the model's tokenizer.json",
            )
        found.append(ours)
    return found


def _computed(here: Any, row: Sequence[int]) -> Any:
    import numpy as np

    here.reset()
    here.eval(list(row))
    # The same memory takes the numbers of the next row.
    return np.array(here.scores[: len(row)])
