"""The axis of quantizations: the base model in fewer bits."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from recipe_runner.components.base import Component
from recipe_runner.plan import Call, Requirement

LayerKind = Literal[
    "plain",
    "bnb_4bit",
    "bnb_8bit",
    "gptq",
    "awq",
    "hqq",
    "torchao",
    "quanto",
    "eetq",
    "aqlm",
    "other",
]
"""What a linear layer of a model is: PEFT writes each adapter anew for each kind that it supports."""


class Quantization(Component):
    """A quantizer. `requires` are the packages it needs, `needs_adapter` where its weights cannot train.

    `quant_method` is transformers' word for it in the configuration of a checkpoint.
    `layer_kind` is what becomes of the linear layers. `needs_gpu` where nothing runs without
    one, `prequantized_only` where the weights have to be in the checkpoint in that form
    already. `dequantizes` where the weights can be turned back. `adapter_trains` is False
    where no gradient flows through its layers, `reads_batch` True where what one row becomes
    depends on the others of its batch. `compute_dtype_fields` are fields whose "auto"
    means the type of the computation.
    """

    quant_method: ClassVar[str]
    requires: ClassVar[tuple[Requirement, ...]] = ()
    needs_adapter: ClassVar[bool] = True
    layer_kind: ClassVar[LayerKind] = "other"
    needs_gpu: ClassVar[bool] = False
    prequantized_only: ClassVar[bool] = False
    dequantizes: ClassVar[bool] = True
    adapter_trains: ClassVar[bool] = True
    reads_batch: ClassVar[bool] = False
    compute_dtype_fields: ClassVar[tuple[str, ...]] = ()

    @property
    def weight_bits(self) -> float:
        """Bits that one quantized weight takes, with its share of the scales."""
        return 16.0

    @property
    def on_gpu_only(self) -> bool:
        """True where these options run on a GPU only."""
        return self.needs_gpu and not self.whole

    @property
    def gradients_flow(self) -> bool:
        """True where an adapter trains on it, with these options."""
        return self.adapter_trains or self.whole

    def conflicts(self) -> Iterable[tuple[str, str, str]]:
        """Fields that cannot stand together: the one to point at, what is wrong, what to do."""
        return ()

    @property
    def whole(self) -> bool:
        """True where the weights are turned back into 16 bits when they are loaded."""
        return bool(self.options().get("dequantize"))

    @property
    def skips(self) -> tuple[str, ...] | None:
        """Names of modules that stay whole; None where upstream keeps the output head whole."""
        given = [
            value
            for name, value in self.options().items()
            if name.endswith(("skip_modules", "not_convert"))
        ]
        return None if not given or given[0] is None else tuple(given[0])

    @property
    def storage_dtype(self) -> str | None:
        """Type of the tensors that hold the packed weights; None where it is fixed."""
        return None

    def packages(self) -> Iterable[Requirement]:
        """Packages that these options need."""
        return self.requires

    @classmethod
    def made(cls, config: Mapping[str, Any]) -> bool:
        """True where it made the checkpoint whose `quantization_config` this is."""
        return config.get("quant_method") == cls.quant_method

    @classmethod
    def options_of(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The options that made a checkpoint, as far as they are fields here."""
        names = cls.model_fields.keys() - {"type"}
        return {name: value for name, value in config.items() if name in names}

    def compile(self) -> Call:
        """The quantization configuration."""
        assert self.upstream is not None
        return Call(self.upstream, self.arguments())
