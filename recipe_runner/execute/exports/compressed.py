"""A model folder that llm-compressor quantizes, in the format that vLLM serves best."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from recipe_runner.execute.exports.calibration import LONGEST, ROWS, calibration_rows
from recipe_runner.execute.exports.quantized import NOT_TRIED, compare, devices, save_tokenizer
from recipe_runner.execute.exports.target import Job, Target
from recipe_runner.execute.exports.weights import demand_finite_weights
from recipe_runner.plan import Requirement

HEAD = "lm_head"
"""The layer that stays whole: its errors are the answer's own."""


class Compressed(Target):
    """A target of llm-compressor. With `reads_rows` it calibrates on the run's training data.

    The model that was saved is kept until it has been compared with what loads: quantizing
    again would take as long, and need not give the same rounding.
    """

    packages: ClassVar[tuple[Requirement, ...]] = (
        Requirement("llmcompressor", "llmcompressor", "quantizing for vLLM"),
    )
    reads_rows: ClassVar[bool] = True
    use: ClassVar[str] = "vllm serve {folder}"

    def __init__(self) -> None:
        self._made: Any = None

    @abstractmethod
    def modifier(self, job: Job) -> Any:
        """llm-compressor's own object for what is done to the weights."""

    def write(self, job: Job) -> None:
        from llmcompressor import oneshot
        from transformers import AutoModelForCausalLM

        demand_finite_weights(job.source)
        model = AutoModelForCausalLM.from_pretrained(
            str(job.source),
            dtype="auto",
            use_safetensors=True,
            device_map=devices(),
        )
        oneshot(model=model, recipe=self.modifier(job), **self._rows(job))
        model.save_pretrained(str(job.folder), save_compressed=True)
        save_tokenizer(job)
        # llm-compressor's note of what it did, which config.json holds as well.
        (job.folder / "recipe.yaml").unlink(missing_ok=True)
        self._made = model

    def verify(self, job: Job, *, trial: bool) -> tuple[str, ...]:
        model, self._made = self._made, None
        return compare(job, model) if trial else (NOT_TRIED,)

    def _rows(self, job: Job) -> dict[str, Any]:
        if not self.reads_rows:
            return {}
        from datasets import Dataset

        rows = calibration_rows(job)
        job.told(f"calibrating with {len(rows)} rows of the training data")
        tokens = [{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]
        return {
            "dataset": Dataset.from_list(tokens),
            "num_calibration_samples": min(ROWS, len(rows)),
            "max_seq_length": LONGEST,
        }
