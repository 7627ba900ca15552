"""A model folder whose weights a library of transformers quantizes while it loads them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from recipe_runner.execute.codes.exports import EXPORT_DIFFERS
from recipe_runner.execute.exports.samples import LONGEST, distance, logits, texts_for
from recipe_runner.execute.exports.target import Job, Target
from recipe_runner.execute.exports.weights import demand_finite_weights
from recipe_runner.execute.fault import fault

NOT_TRIED = "not loaded again: --no-trial"


class Quantized(Target):
    """A target that transformers writes and loads, by a quantization configuration."""

    use = "vllm serve {folder}"

    @abstractmethod
    def configuration(self, job: Job) -> Any:
        """The configuration that `from_pretrained` takes, for the job's type."""

    def write(self, job: Job) -> None:
        demand_finite_weights(job.source)
        model = self._quantized(job)
        model.save_pretrained(str(job.folder))
        save_tokenizer(job)

    def verify(self, job: Job, *, trial: bool) -> tuple[str, ...]:
        return compare(job, self._quantized(job)) if trial else (NOT_TRIED,)

    def _quantized(self, job: Job) -> Any:
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(
            str(job.source),
            quantization_config=self.configuration(job),
            dtype="auto",
            use_safetensors=True,
            device_map=devices(),
        )


def devices() -> str | None:
    """Where a model is loaded to: all GPUs that there are, else the memory of the machine."""
    import torch

    return "auto" if torch.cuda.is_available() else None


def save_tokenizer(job: Job) -> None:
    """The tokenizer and its template travel along."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(str(job.source)).save_pretrained(str(job.folder))


def compare(job: Job, quantized: Any) -> tuple[str, ...]:
    """Load the folder and compare it with what was saved, and with the model that was whole.

    Reports RR739 where the folder loads to other numbers than `quantized` computes.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(job.folder))
    rows = [row[:LONGEST] for row in tokenizer(texts_for(tokenizer))["input_ids"]]
    expected = logits(quantized, rows)
    loaded = AutoModelForCausalLM.from_pretrained(str(job.folder), device_map=devices())
    found = distance(expected, logits(loaded, rows))
    if not found.apart < 0.01:
        raise fault(
            EXPORT_DIFFERS,
            job.name,
            f"the folder loads to another model than was saved: its logits are {found.away('that')}",
            "nothing was kept; install the versions of constraints.txt, or report it",
        )
    whole = AutoModelForCausalLM.from_pretrained(
        str(job.source), dtype="auto", device_map=devices()
    )
    beside = distance(logits(whole, rows), expected)
    return (
        f"loaded again, its logits on {len(rows)} texts are those that were saved",
        f"quantized, its logits are {beside.away('the whole model')}",
    )
