"""Low-rank adaptation and its variants."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import OrAuto, Strings, settled
from recipe_runner.plan import Call

Rank = Annotated[int, Field(ge=1)]
Alpha = Annotated[float, Field(gt=0)]


class Lora(Adapter):
    """LoRA: each chosen linear layer gets a trained product of two low-rank matrices.

    Use it for almost every fine-tune that is not a change of language or domain at
    scale: it trains about one percent of the parameters. With a quantized base it is
    QLoRA. `use_rslora` scales by alpha / sqrt(r) (arXiv 2312.03732), `use_dora` trains
    a magnitude besides the direction (arXiv 2402.09353).

    Source: arXiv 2106.09685; `peft.LoraConfig`.
    """

    type: Literal["lora"]
    r: Annotated[int, Field(json_schema_extra={"minimum": 1})] = 16
    """Rank of the update; 8 to 64 for most tasks, more for much data."""
    lora_alpha: OrAuto[Alpha] = "auto"
    """Scale of the update: it is multiplied by lora_alpha / r; `auto` is twice `r`."""
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on the adapter's input, a fraction; 0.05 to 0.1 helps on small data sets."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter, such as `lm_head` after adding tokens."""
    rank_pattern: dict[str, Rank] = Field(default_factory=dict)
    """Other ranks for layers whose name matches a regular expression."""
    alpha_pattern: dict[str, Alpha] = Field(default_factory=dict)
    """Other alphas for layers whose name matches a regular expression."""
    use_rslora: bool = False
    """Scale by lora_alpha / sqrt(r) instead of lora_alpha / r: steadier at high ranks."""
    use_dora: bool = False
    """Train the magnitude of each weight column as well; slower, sometimes better at low ranks."""
    init_lora_weights: bool | Literal["gaussian", "olora", "pissa", "orthogonal"] = True
    """Start of the two matrices; true is Microsoft's (the second is zero, so training starts at the base)."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases train; anything but `none` changes the base even with the adapter off."""
    layers_to_transform: (
        Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] | None
    ) = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    trainable_token_indices: (
        Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] | None
    ) = None
    """Token ids whose embeddings train as well, such as those of added tokens."""
    target_parameters: Strings | None = None
    """Parameters, by the ending of their names, that are adapted although they are no linear layer (experts)."""

    upstream: ClassVar[str | None] = "peft:LoraConfig"
    is_default: ClassVar[bool] = True
    snippet: ClassVar[str] = "adapter: {type: lora, r: 16}"

    @field_validator("r")
    @classmethod
    def _has_a_rank(cls, r: int) -> int:
        if r < 1:
            raise PydanticCustomError("adapter-without-rank", "{r}", {"r": r})
        return r

    def decide(self) -> Iterable[tuple[str, Any, str]]:
        if self.lora_alpha == "auto":
            yield "lora_alpha", 2.0 * self.r, f"twice the rank, {self.r}"

    def conflicts(self) -> Iterable[tuple[str, str, str]]:
        for field in ("layers_to_transform", "layers_pattern"):
            if getattr(self, field) is not None and isinstance(self.target_modules, str):
                message = f"`adapter.{field}` needs a list in `adapter.target_modules`, which is {self.target_modules}"
                yield field, message, "name the modules, such as `target_modules: [q_proj, v_proj]`"
        if self.layers_pattern is not None and self.layers_to_transform is None:
            message = "`adapter.layers_pattern` has no effect without `adapter.layers_to_transform`"
            yield "layers_pattern", message, "give `layers_to_transform`, or remove it"

    def patterns(self) -> Iterable[tuple[str, str]]:
        for field in ("target_modules", "exclude_modules"):
            if isinstance(pattern := getattr(self, field), str):
                yield field, pattern
        for field in ("rank_pattern", "alpha_pattern"):
            yield from ((field, pattern) for pattern in getattr(self, field))

    @property
    def trains_embeddings(self) -> bool:
        saved = any("embed" in module for module in self.modules_to_save or ())
        return saved or self.trainable_token_indices is not None

    def compile(self, task: str) -> Call:
        arguments = self.arguments()
        arguments["lora_alpha"] = settled(self.lora_alpha)
        arguments["task_type"] = task.upper()
        return Call("peft:LoraConfig", arguments)
