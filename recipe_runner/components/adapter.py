"""The axis of adapters: small sets of parameters that are trained instead of the model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from recipe_runner.components.base import OWN, Component
from recipe_runner.components.quantization import LayerKind
from recipe_runner.plan import Call, Requirement

Targets = Literal["modules", "prompt", "tokens", "norms"]
"""What a method changes: linear layers, what stands before the prompt, embeddings, norms."""

Layers = frozenset[LayerKind]

PLAIN: Layers = frozenset({"plain"})
PLAIN_AND_BNB: Layers = PLAIN | {"bnb_4bit", "bnb_8bit"}
BACKED: Layers = PLAIN_AND_BNB | {"hqq", "torchao", "aqlm", "eetq", "gptq", "awq"}
"""What PEFT's `resolve_quantization_backend` knows (peft 0.21)."""
ALL: Layers = frozenset(get_args(LayerKind))

JUDGING_HEADS = ("classifier", "score")
"""Heads of classifiers, which PEFT trains in full beside any adapter."""

_ENDS = ("target_modules", "exclude_modules", "feedforward_modules")


@dataclass(frozen=True)
class Setting:
    """What an adapter is told of the run around it.

    `task` is PEFT's word for what the model does ("causal_lm"), `total_steps` the optimizer
    steps, None where they are not known before the run, `tokenizer` its folder or hub id.
    """

    task: str
    total_steps: int | None = None
    tokenizer: str = ""


@dataclass(frozen=True)
class Measures:
    """What an adapter is put on: the (outputs, inputs) of each adapted linear layer by its name.

    `key_value_size` is what one token has as keys in one layer. `whole` are the parameters of
    each adapted module itself, whatever its kind. `inward` are layers that the adapter changes
    at their input instead of their output.
    """

    linear: Mapping[str, tuple[int, int]]
    hidden_size: int
    num_layers: int
    key_value_size: int
    whole: Mapping[str, int] = field(default_factory=dict)
    inward: frozenset[str] = frozenset()


class Adapter(Component):
    """A PEFT method.

    `is_default` marks the one that `recipe-run init` proposes. `targets` is what it changes,
    `layers` are the kinds of linear layers that it can be put on. `merges` is True where what
    it trained can become part of the base's weights. `requires` are packages that it needs
    besides PEFT. `resumes` is False where a checkpoint does not hold what it needs to go on.
    `needs_steps` is True where the number of optimizer steps has to be known beforehand.
    `learning_rate_factor` is for methods that want another learning rate than the algorithm
    recommends with LoRA. `rank_field` is the option that says the rank of its matrices, None
    where it has none. `has_second_matrix` is True where LoRA+ can train the one of two
    matrices that starts at zero at a higher rate. `reads_batch` is True where what it does to one
    row depends on the others of its batch, `draws` where it draws numbers for each token.
    """

    is_default: ClassVar[bool] = False
    targets: ClassVar[Targets] = "modules"
    layers: ClassVar[Layers] = PLAIN
    merges: ClassVar[bool] = True
    requires: ClassVar[tuple[Requirement, ...]] = ()
    needs_steps: ClassVar[bool] = False
    resumes: ClassVar[bool] = True
    learning_rate_factor: ClassVar[float] = 1
    rank_field: ClassVar[str | None] = None
    has_second_matrix: ClassVar[bool] = False
    reads_batch: ClassVar[bool] = False
    draws: ClassVar[bool] = False

    def decide(self) -> Iterable[tuple[str, Any, str]]:
        """Values for the fields that say "auto": field, value, reason."""
        return ()

    def conflicts(self) -> Iterable[tuple[str, str, str]]:
        """Fields that cannot stand together: the one to point at, what is wrong, what to do."""
        given = self.options()
        targets = given.get("target_modules")
        for key in ("layers_to_transform", "layers_pattern"):
            if given.get(key) is not None and isinstance(targets, str):
                message = (
                    f"`adapter.{key}` needs a list in `adapter.target_modules`, which is {targets}"
                )
                yield key, message, "name the modules, such as `target_modules: [q_proj, v_proj]`"
        if given.get("layers_pattern") is not None and given["layers_to_transform"] is None:
            message = "`adapter.layers_pattern` has no effect without `adapter.layers_to_transform`"
            yield "layers_pattern", message, "give `layers_to_transform`, or remove it"

    def patterns(self) -> Iterable[tuple[str, str]]:
        """Texts that are regular expressions, each with its field."""
        for key, value in self.options().items():
            if key in (*_ENDS, "layers_pattern") and isinstance(value, str):
                yield key, value
            elif key == "modules_to_save":
                # PEFT reads these as regular expressions where it keeps the adapter off them.
                yield from ((key, name) for name in value or ())
            elif key.endswith("_pattern") and isinstance(value, Mapping):
                yield from ((key, pattern) for pattern in value)

    def unmergeable(self) -> str | None:
        """Why what these options train cannot become part of the base's weights; None where it can."""
        return (
            None if self.merges else f"what {self.type} trains is no change of the base's weights"
        )

    def unstackable(self) -> str | None:
        """Why it cannot share layers with another adapter, and be saved as one; None where it can."""
        return f"{self.type} and another adapter are not saved as one"

    def packages(self) -> Iterable[Requirement]:
        """Packages that these options need besides PEFT."""
        return self.requires

    @property
    def is_product(self) -> bool:
        """True where it adds a product of two matrices to what a layer gives, and nothing else."""
        return False

    @property
    def reads_places(self) -> bool:
        """True where what it adds to a token depends on where the token stands in its row."""
        return False

    @property
    def rows_to_read(self) -> int:
        """Rows of the training data that it looks at before it trains; 0 where it reads none."""
        return 0

    @property
    def changes_base(self) -> bool:
        """True where its start takes something out of the base's weights."""
        return False

    @property
    def fitted_to(self) -> LayerKind | None:
        """The kind of quantized layer that it is fitted to, on a GPU; None where it is to none."""
        return None

    @classmethod
    def options_of(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a saved adapter of this method, from its `adapter_config.json`."""
        own = {name for name, field in cls.model_fields.items() if OWN in field.metadata}
        names = cls.model_fields.keys() - own - {"type"}
        found = {name: value for name, value in config.items() if name in names}
        saved = found.get("modules_to_save")
        if isinstance(saved, list):
            # PEFT adds the names of every kind of judging head, of which a model has one.
            found["modules_to_save"] = [n for n in saved if n not in JUDGING_HEADS] or None
        return found

    @property
    def continues(self) -> str | None:
        """The path of a saved adapter that it trains further, as the recipe has it."""
        return None

    @property
    def trains_embeddings(self) -> bool:
        """True where the rows of added tokens train with the adapter."""
        saved = self.options().get("modules_to_save") or ()
        return self.targets == "tokens" or any("embed" in module for module in saved)

    def parameters(self, on: Measures) -> int | None:
        """How many parameters it trains on these layers, without `modules_to_save` and biases.

        None where there is no formula for these options: a trace counts them.
        """
        return None

    def compile(self, setting: Setting) -> Call:
        """The PEFT configuration."""
        assert self.upstream is not None
        return Call(self.upstream, {**self.arguments(), "task_type": setting.task.upper()})
