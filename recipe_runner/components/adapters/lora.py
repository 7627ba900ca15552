"""Low-rank adaptation and its variants."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from recipe_runner.components.adapter import ALL, Adapter, Layers, Measures, Setting
from recipe_runner.components.base import OWN, OrAuto, Spec, Strings, settled
from recipe_runner.components.numbers import (
    Count,
    Dropout,
    Indices,
    Natural,
    NotNegative,
    Positive,
    Share,
)
from recipe_runner.components.quantization import LayerKind
from recipe_runner.plan import Call

_STARTS_FROM_ROWS = ("corda", "eva", "lora_ga")
_CHANGES_BASE = ("corda", "lora_ga", "olora", "pissa")
_NITER = re.compile(r"pissa_niter_[1-9]\d*")


class Eva(Spec):
    """How EVA shares the ranks out among the layers, by what varies in their inputs."""

    rho: Annotated[float, Field(ge=1)] = 2.0
    """How far ranks move between layers: a layer may get this many times `r`; 1 moves none."""
    tau: Share = 0.99
    """Directions count as found where they differ by less than this cosine between batches."""
    whiten: bool = False
    """Divide the directions by how much varies along them."""
    adjust_scaling_factors: bool = True
    """Keep the size of the update where the rank of a layer changes."""


class Corda(Spec):
    """What CorDA keeps: `ipm` learns along what matters for the rows, `kpm` away from it."""

    corda_method: Literal["ipm", "kpm"] = "ipm"
    """`ipm` learns the rows' task faster, `kpm` keeps what the base knows about them."""
    use_float16_for_covariance: bool = False
    """Half the memory for the covariances, less exact."""


class LoraGa(Spec):
    """How LoRA-GA lays the matrices along the first gradient."""

    direction: Literal["ArBr", "A2rBr", "ArB2r", "random"] = "ArB2r"
    """Which singular directions of the gradient go into which matrix."""
    scale: Literal["stable", "weight_svd", "gd_scale", "unit"] = "stable"
    """How long the matrices are at first."""
    stable_gamma: Count = 16
    """Divisor of their length with `stable`."""


class Loftq(Spec):
    """How LoftQ makes up for what quantizing the base would lose."""

    loftq_bits: Literal[2, 4, 8] = 4
    """Bits that the base is rounded to."""
    loftq_iter: Count = 1
    """Rounds of quantizing and fitting."""


class Kasa(Spec):
    """KaSA: trains singular values, and drops the smallest ones of the base (arXiv 2412.06071)."""

    beta: NotNegative = 1e-4
    """Weight of the penalty on large singular values."""
    gamma: NotNegative = 1e-3
    """Weight of the penalty on directions that are not orthogonal."""


class Monteclora(Spec):
    """MonteCLoRA: the matrices are drawn around a trained mean while it trains (arXiv 2411.04358)."""

    num_samples: Count = 8
    """Draws of each forward pass."""
    use_entropy: bool = False
    """Keep the weights of the draws from collapsing onto one."""
    dirichlet_prior: Positive = 0.1
    """Prior of the weights of the draws."""
    sample_scaler: Positive = 1e-4
    """Spread of the draws."""
    kl_loss_weight: NotNegative = 1e-5
    """Weight of the distance from the prior in the loss."""
    buffer_size: Count = 150
    """Random numbers that are drawn ahead."""


class Velora(Spec):
    """VeLoRA: activations are kept as one number per group for the backward pass (arXiv 2405.17991)."""

    num_groups: Count = 64
    """Groups that a token's activations are cut into; has to divide the layer's inputs."""
    scale: Positive = 1.0
    """Factor of what is put together again."""
    init_type: Literal["batch_average", "batch_average_once", "random"] = "batch_average"
    """Where the direction of a group comes from."""


class BdLora(Spec):
    """BD-LoRA: one of the matrices is block-diagonal, for servers that split the model."""

    target_modules_bd_a: Strings | None = None
    """Layers whose first matrix is block-diagonal, by endings of their names."""
    target_modules_bd_b: Strings | None = None
    """Layers whose second matrix is block-diagonal, by endings of their names."""
    nblocks: Count = 1
    """Blocks: the GPUs of the server that share a layer."""
    match_strict: bool = True
    """Demand that each adapted layer is in one of the two lists."""


_NESTED = {
    "bdlora": ("use_bdlora", "peft:BdLoraConfig"),
    "corda_config": ("corda_config", "peft.tuners.lora.config:CordaConfig"),
    "eva_config": ("eva_config", "peft:EvaConfig"),
    "kasa_config": ("kasa_config", "peft:KasaConfig"),
    "loftq_config": ("loftq_config", "peft:LoftQConfig"),
    "lora_ga_config": ("lora_ga_config", "peft:LoraGAConfig"),
    "monteclora_config": ("monteclora_config", "peft:MontecloraConfig"),
    "velora_config": ("velora_config", "peft:VeloraConfig"),
}
"""Sections of LoRA: PEFT's argument for them, and its class."""

_OF_START = {"corda": "corda_config", "eva": "eva_config", "lora_ga": "lora_ga_config"}
"""Sections that say more about one start of the matrices, and have to be there for it."""


_STACKS = {
    "alora_invocation_tokens": None,
    "bdlora": None,
    "bias": "none",
    "kasa_config": None,
    "layer_replication": None,
    "lora_bias": False,
    "modules_to_save": None,
    "monteclora_config": None,
    "target_parameters": None,
    "trainable_token_indices": None,
    "use_dora": False,
    "use_qalora": False,
    "velora_config": None,
}
"""Fields whose usual value makes a LoRA the sum of products that another one can be added to."""


class Lora(Adapter):
    """LoRA: each chosen linear layer gets a trained product of two low-rank matrices.

    Use it for almost every fine-tune that is not a change of language or domain at
    scale: it trains about one percent of the parameters. With a quantized base it is
    QLoRA. `use_rslora` scales by alpha / sqrt(r) (arXiv 2312.03732), `use_dora` trains
    a magnitude besides the direction (arXiv 2402.09353), `loraplus_lr_ratio` trains the
    second matrix faster (arXiv 2402.12354). `init_lora_weights` starts it elsewhere:
    `pissa` from the largest singular directions of the base (arXiv 2404.02948), `olora`
    from its QR decomposition (arXiv 2406.01775), `eva` from what varies in the training
    rows (arXiv 2410.07170), `corda` from their covariance (arXiv 2406.05223), `lora_ga`
    from the first gradient (arXiv 2407.05000), `loftq` from what quantization loses
    (arXiv 2310.08659).

    Source: arXiv 2106.09685; `peft.LoraConfig`.
    """

    type: Literal["lora"]
    r: Annotated[int, Field(json_schema_extra={"minimum": 1})] = 16
    """Rank of the update; 8 to 64 for most tasks, more for much data."""
    lora_alpha: OrAuto[Positive] = "auto"
    """Scale of the update: it is multiplied by lora_alpha / r; `auto` is twice `r`."""
    lora_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction; 0.05 to 0.1 helps on small data sets."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter, such as `lm_head` after adding tokens."""
    rank_pattern: dict[str, Count] = Field(default_factory=dict)
    """Other ranks for layers whose name matches a regular expression."""
    alpha_pattern: dict[str, Positive] = Field(default_factory=dict)
    """Other alphas for layers whose name matches a regular expression."""
    use_rslora: bool = False
    """Scale by lora_alpha / sqrt(r) instead of lora_alpha / r: steadier at high ranks."""
    use_dora: bool = False
    """Train the magnitude of each weight column as well; slower, sometimes better at low ranks."""
    init_lora_weights: (
        bool
        | Literal[
            "gaussian", "olora", "pissa", "orthogonal", "mica", "eva", "corda", "lora_ga", "loftq"
        ]
        | Annotated[str, Field(pattern=r"^pissa_niter_[1-9]\d*$")]
    ) = True
    """Start of the two matrices; true is Microsoft's (the second is zero, so training starts at the base)."""
    init_rows: Annotated[Count, OWN] = 64
    """Rows of the training data that `eva`, `corda` and `lora_ga` look at before the training."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases train; anything but `none` changes the base even with the adapter off."""
    lora_bias: bool = False
    """Give the second matrix a bias of its own; merges only into layers that have a bias."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    layer_replication: (
        Annotated[
            tuple[Annotated[tuple[Natural, Count], Field(strict=False)], ...], Field(strict=False)
        ]
        | None
    ) = None
    """Ranges of decoder layers, from and up to, stacked into a deeper model; a layer in two of them is shared."""
    trainable_token_indices: Indices | None = None
    """Token ids whose embeddings train as well, such as those of added tokens."""
    target_parameters: Strings | None = None
    """Parameters, by the ending of their names, that are adapted though they are no linear layer (experts)."""
    ensure_weight_tying: bool = False
    """Keep tied what the model ties, where an embedding or the output head is adapted or saved."""
    alora_invocation_tokens: Annotated[Indices, Field(min_length=1)] | None = None
    """Ids of the tokens from which on the adapter acts (aLoRA): what is before them is cached for base and adapter."""
    use_qalora: bool = False
    """Pool the inputs by groups, so that the update can be merged into a GPTQ base (QA-LoRA)."""
    qalora_group_size: Count = 16
    """Inputs in one group of QA-LoRA."""
    eva_config: Eva | None = None
    """How `init_lora_weights: eva` starts."""
    corda_config: Corda | None = None
    """How `init_lora_weights: corda` starts."""
    lora_ga_config: LoraGa | None = None
    """How `init_lora_weights: lora_ga` starts."""
    loftq_config: Loftq | None = None
    """How `init_lora_weights: loftq` starts."""
    kasa_config: Kasa | None = None
    """Train singular values as well (KaSA)."""
    monteclora_config: Monteclora | None = None
    """Draw the matrices around a trained mean (MonteCLoRA)."""
    velora_config: Velora | None = None
    """Keep fewer activations for the backward pass (VeLoRA)."""
    bdlora: Annotated[BdLora | None, OWN] = None
    """Block-diagonal matrices for servers that split the model (BD-LoRA)."""

    upstream: ClassVar[str | None] = "peft:LoraConfig"
    is_default: ClassVar[bool] = True
    rank_field: ClassVar[str | None] = "r"
    has_second_matrix: ClassVar[bool] = True
    layers: ClassVar[Layers] = ALL
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
        yield from super().conflicts()
        start = self.init_lora_weights
        for word, field in (*_OF_START.items(), ("loftq", "loftq_config")):
            if getattr(self, field) is not None and start != word:
                message = f"`adapter.{field}` needs another start than {_yaml(start)}"
                yield field, message, f"set `init_lora_weights: {word}`, or remove it"
        usual = type(self).model_fields["qalora_group_size"].default
        if self.qalora_group_size != usual and not self.use_qalora:
            message = "`adapter.qalora_group_size` has no effect without `use_qalora`"
            yield "qalora_group_size", message, "set `use_qalora: true`, or remove it"
        if self.use_dora and self.lora_bias:
            message = "`adapter.lora_bias` does not go with `use_dora`"
            yield "lora_bias", message, "remove one of them"
        if self.init_rows != type(self).model_fields["init_rows"].default and not self.rows_to_read:
            message = f"`adapter.init_rows` has no effect with `init_lora_weights: {_yaml(start)}`"
            starts = ", ".join(_STARTS_FROM_ROWS)
            yield "init_rows", message, f"set `init_lora_weights` to one of {starts}"
        if self.layer_replication is not None and self.changes_base:
            message = f"`adapter.layer_replication` shares layers, which `init_lora_weights: {start}` changes"
            yield "layer_replication", message, "remove one of them"

    def unmergeable(self) -> str | None:
        if self.alora_invocation_tokens is not None:
            return "aLoRA acts from its invocation tokens on, and a weight acts everywhere"
        if self.layer_replication is not None:
            return "replicated layers share the weights of the base"
        return None

    def unstackable(self) -> str | None:
        if (field := self._beside_product()) is not None:
            return f"`{field}` has no part in the LoRA of both that is saved"
        if self.changes_base or self.rows_to_read or self.fitted_to:
            return f"`init_lora_weights: {self.init_lora_weights}` begins from the base alone"
        return None

    def _beside_product(self) -> str | None:
        return next((k for k, v in _STACKS.items() if getattr(self, k) not in (v, None, ())), None)

    @property
    def is_product(self) -> bool:
        return self._beside_product() is None

    @property
    def reads_places(self) -> bool:
        return self.alora_invocation_tokens is not None

    @property
    def rows_to_read(self) -> int:
        return self.init_rows if self.init_lora_weights in _STARTS_FROM_ROWS else 0

    @property
    def fitted_to(self) -> LayerKind | None:
        return "bnb_4bit" if self.init_lora_weights == "loftq" else None

    @property
    def changes_base(self) -> bool:
        start = self.init_lora_weights
        return start in _CHANGES_BASE or (isinstance(start, str) and bool(_NITER.fullmatch(start)))

    @classmethod
    def options_of(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        options = super().options_of(config)
        for field, (argument, _) in _NESTED.items():
            section = config.get(argument)
            options[field] = (
                _known(cls, field, section) if isinstance(section, Mapping) and section else None
            )
        # Where its matrices began is past: their weights are at hand.
        options |= dict.fromkeys((*_OF_START.values(), "loftq_config"))
        start = str(options.get("init_lora_weights"))
        if start in (*_OF_START, *_CHANGES_BASE, "loftq") or _NITER.fullmatch(start):
            options["init_lora_weights"] = True
        return options

    @property
    def trains_embeddings(self) -> bool:
        return super().trains_embeddings or self.trainable_token_indices is not None

    def parameters(self, on: Measures) -> int | None:
        special = (
            self.target_parameters,
            self.layer_replication,
            self.use_qalora or None,
            self.kasa_config,
            self.monteclora_config,
            self.bdlora,
            self.eva_config if self.init_lora_weights == "eva" else None,
        )
        if any(each is not None for each in special) or self.init_lora_weights == "mica":
            return None
        total = 0
        for name, (outputs, inputs) in on.linear.items():
            total += _rank(self.rank_pattern, name, self.r) * (outputs + inputs)
            total += outputs * (self.use_dora + self.lora_bias)
        return total + len(self.trainable_token_indices or ()) * on.hidden_size

    def compile(self, setting: Setting) -> Call:
        arguments = self.arguments()
        arguments["lora_alpha"] = settled(self.lora_alpha)
        arguments["task_type"] = setting.task.upper()
        for field, (argument, target) in _NESTED.items():
            section = getattr(self, field)
            wanted = _OF_START.get(str(self.init_lora_weights)) == field
            if section is None and not wanted:
                arguments.pop(argument, None)
                continue
            options = section.model_dump(mode="json") if section is not None else {}
            arguments[argument] = Call(target, options)
        if not self.use_qalora:
            del arguments["qalora_group_size"]
        if self.layer_replication is not None:
            arguments["layer_replication"] = [list(each) for each in self.layer_replication]
        return Call("peft:LoraConfig", arguments)


def _known(kind: type[Adapter], field: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """What a section of ours can say of PEFT's."""
    of = next(
        each
        for each in get_args(kind.model_fields[field].annotation)
        if isinstance(each, type) and issubclass(each, Spec)
    )
    return {name: value for name, value in section.items() if name in of.model_fields}


def _rank(patterns: dict[str, int], name: str, default: int) -> int:
    """The rank of a layer, by the first pattern that matches the end of its name, as PEFT does."""
    for pattern, rank in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return rank
    return default


def _yaml(value: bool | str) -> str:
    return str(value).lower() if isinstance(value, bool) else value
