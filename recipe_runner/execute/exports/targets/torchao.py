"""Weights of torchao, PyTorch's own quantization, which transformers and vLLM load."""

from __future__ import annotations

from typing import Any, ClassVar

from recipe_runner.execute.exports.quantized import Quantized
from recipe_runner.execute.exports.target import Job
from recipe_runner.plan import Requirement


class Torchao(Quantized):
    """8-bit weights, with activations as they are or of 8 bits as well (`int8_dynamic`)."""

    about: ClassVar[str] = "8-bit weights of torchao, for transformers and vLLM"
    packages: ClassVar[tuple[Requirement, ...]] = (
        Requirement("torchao", "torchao", "quantizing with torchao"),
    )
    types: ClassVar[tuple[str, ...]] = ("int8", "int8_dynamic", "float8")

    def configuration(self, job: Job) -> Any:
        from torchao import quantization
        from transformers import TorchAoConfig

        kinds = {
            "int8": quantization.Int8WeightOnlyConfig,
            "int8_dynamic": quantization.Int8DynamicActivationInt8WeightConfig,
            "float8": quantization.Float8WeightOnlyConfig,
        }
        return TorchAoConfig(kinds[job.type]())
