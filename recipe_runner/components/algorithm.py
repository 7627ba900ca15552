"""The axis of algorithms: what is trained, with which trainer, on which kind of example."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from recipe_runner.components.base import Component
from recipe_runner.components.other_model import OtherModel
from recipe_runner.plan import Feed, Requirement, Shape, StepLoss, Task

Severity = Literal["error", "warning"]

VLLM = ">=0.22,<0.31.1"
"""Releases of vllm that TRL 1.16 works with."""


class Conflict(NamedTuple):
    """Options of an algorithm that do not go together: the field to point at, what is wrong, what to do.

    An error ends before the run; a warning is for what runs, but seldom as it was meant.
    """

    field: str
    message: str
    help: str
    severity: Severity = "error"


class Algorithm(Component):
    """A training algorithm.

    `trainer` and `upstream` are the targets of its trainer and its arguments class.
    `example_shapes` are the shapes of examples it can learn from, `feed` is the form in
    which its trainer takes them. The recommended learning rates are the defaults of
    `training.learning_rate` for full fine-tuning and with an adapter. `managed` are
    upstream arguments that other sections of the recipe decide. `evaluation_metrics` are
    what an evaluation measures. `tasks` are what its models may be loaded for, the first
    of them is the default, and `num_labels` is the size of a classifying head.

    `experimental` marks a trainer that upstream may change or remove with any release.
    `generates` is True where the model answers prompts while it trains, `rewarded` where
    its answers are judged by `rewards`. `smallest_micro_batch` is in sequences.
    `fixed_order` is True where the trainer wants rows in the order of the data set,
    `whole_batches` where it leaves out the last rows of an epoch that fill no batch,
    `rounds_per_process` where each process answers prompts for itself, and not all for all,
    `totals` is True where its loss is a sum over all tokens of an optimizer step, divided once,
    `reads_head` where it multiplies by the weights of the output head itself, past an adapter,
    `compares_words` where its loss is of the probabilities of all words, and not of the labels,
    `holds_logits` where it has them for all tokens of a pass at once,
    `reads_variables_of_rows` where prompts are written with their own `chat_template_kwargs`,
    `reads_base` where it turns an adapter off for the model as it was at the beginning, even
    one that is trained further,
    `pads_left` where it wants the tokenizer to fill up on the left.
    `columns` are columns that every row has to have beside its prompt.
    `scores` is True where its model can answer in words (`score` of a recipe).
    `is_default` marks the one that `recipe-run init` writes.

    `equation` is the loss in plain text, and `sample_rows` are rows that it learns from;
    both stand on its page.
    """

    trainer: ClassVar[str]
    example_shapes: ClassVar[tuple[Shape, ...]]
    feed: ClassVar[Feed] = "sequences"
    recommended_learning_rate: ClassVar[float]
    recommended_learning_rate_with_adapter: ClassVar[float]
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss",)
    supports_packing: ClassVar[bool] = False
    supports_streaming: ClassVar[bool] = False
    experimental: ClassVar[bool] = False
    generates: ClassVar[bool] = False
    rewarded: ClassVar[bool] = False
    fixed_order: ClassVar[bool] = False
    whole_batches: ClassVar[bool] = False
    rounds_per_process: ClassVar[bool] = False
    totals: ClassVar[bool] = False
    reads_head: ClassVar[bool] = False
    compares_words: ClassVar[bool] = False
    holds_logits: ClassVar[bool] = False
    reads_variables_of_rows: ClassVar[bool] = False
    reads_base: ClassVar[bool] = False
    pads_left: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = ()
    scores: ClassVar[bool] = True
    is_default: ClassVar[bool] = False
    tasks: ClassVar[tuple[Task, ...]] = ("causal_lm",)
    num_labels: ClassVar[int | None] = None
    managed: ClassVar[frozenset[str]] = frozenset()
    equation: ClassVar[str] = ""
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    @property
    def joins_rows(self) -> bool:
        """True where the rows of a batch are joined into one instead of padded."""
        return False

    @property
    def needs_reference(self) -> bool:
        """True where the trainer compares with the model as it was at the beginning."""
        return False

    @property
    def smallest_micro_batch(self) -> int:
        """Sequences per process and forward pass, at least."""
        return 1

    @property
    def sequences_per_row(self) -> int:
        """Sequences that one row of the data becomes in a batch: answers to a prompt."""
        return 1

    @property
    def updates_per_row(self) -> int:
        """How often the sequences of a row are trained on in one pass over the data."""
        return 1

    @property
    def answer_length(self) -> int:
        """Tokens of the longest answer that the model gives while it trains; 0 where it gives none."""
        given = self.arguments() if self.generates else {}
        return int(given.get("max_completion_length") or given.get("max_new_tokens") or 0)

    @property
    def shares_vocabulary(self) -> bool:
        """True where the probabilities of a teacher are compared token by token."""
        return False

    def models(self) -> Mapping[str, OtherModel]:
        """Models beside the one that trains, by the trainer's argument that takes them."""
        return {}

    def parameters_beside(self, hidden_size: int) -> int:
        """Parameters that train besides those of the model or its adapter, such as a head's."""
        return 0

    def trainer_arguments(self) -> Mapping[str, Any]:
        """Arguments of the trainer itself, as JSON values; those of `upstream` are `arguments`."""
        return {}

    def steps(self) -> StepLoss | None:
        """Where the steps of an answer are judged; None where nothing is judged by steps."""
        return None

    def packages(self) -> Iterable[Requirement]:
        """Packages that the run needs for this algorithm with these options."""
        if self.arguments().get("use_vllm"):
            yield Requirement("vllm", "vllm", "algorithm.use_vllm", VLLM)

    def conflicts(self) -> Iterable[Conflict]:
        """Options that do not go together."""
        return ()

    extra: dict[str, bool | int | float | str | None] = Field(default_factory=dict)
    """Upstream arguments that have no field here, by their upstream name; known names only."""
