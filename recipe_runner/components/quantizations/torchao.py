"""Few bits through PyTorch's own library."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from recipe_runner.components.base import OWN, Strings
from recipe_runner.components.numbers import Count
from recipe_runner.components.quantization import LayerKind, Quantization
from recipe_runner.plan import Call, Requirement

_KINDS: Mapping[str, tuple[str, float, bool, bool]] = {
    "int8_weight_only": ("Int8WeightOnlyConfig", 8.0, False, True),
    "int8_dynamic_activation_int8_weight": (
        "Int8DynamicActivationInt8WeightConfig",
        8.0,
        False,
        False,
    ),
    "int4_weight_only": ("Int4WeightOnlyConfig", 4.0, True, True),
    "float8_weight_only": ("Float8WeightOnlyConfig", 8.0, True, True),
    "float8_dynamic_activation_float8_weight": (
        "Float8DynamicActivationFloat8WeightConfig",
        8.0,
        True,
        False,
    ),
}
"""torchao's class, bits of a weight, whether it needs a GPU, whether gradients flow through it."""


class Torchao(Quantization):
    """Weights in 8 or 4 bits by PyTorch's own library, which `torch.compile` understands.

    `int8_weight_only` runs on any device, a CPU too. The dynamic kinds round activations as
    well: they are for inference, and no adapter trains through them.

    Source: https://github.com/pytorch/ao; `transformers.TorchAoConfig`.
    """

    type: Literal["torchao"]
    quant_type: Annotated[
        Literal[
            "int8_weight_only",
            "int8_dynamic_activation_int8_weight",
            "int4_weight_only",
            "float8_weight_only",
            "float8_dynamic_activation_float8_weight",
        ],
        OWN,
    ] = "int8_weight_only"
    """What is rounded, and to what."""
    group_size: Annotated[Count | None, OWN] = None
    """Weights that share a scale, for `int4_weight_only`; null is torchao's choice, 128."""
    modules_to_not_convert: Strings | None = None
    """Modules left as they are; null leaves the output head."""
    include_input_output_embeddings: bool = False
    """Quantize the embeddings and the output head too."""
    untie_embedding_weights: bool = False
    """Give the output head weights of its own where the model ties it to the embeddings."""

    upstream: ClassVar[str | None] = "transformers:TorchAoConfig"
    quant_method: ClassVar[str] = "torchao"
    layer_kind: ClassVar[LayerKind] = "torchao"
    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("torchao", "torchao", "quantization: torchao"),
    )
    snippet: ClassVar[str] = "quantization: {type: torchao, quant_type: int8_weight_only}"

    @property
    def weight_bits(self) -> float:
        bits = _KINDS[self.quant_type][1]
        return bits if bits == 8 else bits + 32 / (self.group_size or 128)

    @property
    def on_gpu_only(self) -> bool:
        return _KINDS[self.quant_type][2]

    @property
    def gradients_flow(self) -> bool:
        return _KINDS[self.quant_type][3]

    def conflicts(self) -> Iterable[tuple[str, str, str]]:
        if self.group_size is not None and _KINDS[self.quant_type][1] == 8:
            message = (
                f"`quantization.group_size` has no effect with `quant_type: {self.quant_type}`"
            )
            yield "group_size", message, "remove it"

    @classmethod
    def options_of(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        # The checkpoint holds torchao's own object, which names its class.
        inner = config.get("quant_type")
        default = inner.get("default", {}) if isinstance(inner, Mapping) else {}
        names = {name: word for word, (name, *_) in _KINDS.items()}
        found = names.get(str(default.get("_type")))
        return {"quant_type": found} if found else {}

    def compile(self) -> Call:
        name = _KINDS[self.quant_type][0]
        options = {} if self.group_size is None else {"group_size": self.group_size}
        quant_type = Call(f"torchao.quantization:{name}", options)
        return Call("transformers:TorchAoConfig", {**self.arguments(), "quant_type": quant_type})
