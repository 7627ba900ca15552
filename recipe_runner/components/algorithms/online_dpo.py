"""Direct preference optimization on the model's own answers."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.base import OWN
from recipe_runner.components.generation import (
    GENERATION_MANAGED,
    Drawing,
    Generator,
    Penalties,
    VllmPattern,
)
from recipe_runner.components.other_model import OtherModel, OtherModelField
from recipe_runner.components.prompts import PROMPT_ROWS
from recipe_runner.plan import Feed, Shape

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class OnlineDpo(VllmPattern, Generator, Penalties, Drawing, Algorithm):
    """Online DPO: the model answers each prompt twice, and the answer with the better reward becomes likelier.

    Use it where `dpo` on given pairs has stopped helping, or where there are prompts and a
    judge (`rewards`) but no pairs: the pairs are always the model's own, as it is at that
    step. It looks at which answer is better and not by how much, so it suits reward models
    whose scale means little. `grpo` and `rloo` use the size of rewards and more than two
    answers, and learn faster from rewards that can be trusted. A row of the data is one
    prompt, of which two sequences are made.

    Source: arXiv 2402.04792, algorithm 1; `trl.experimental.online_dpo.OnlineDPOTrainer`.
    """

    type: Literal["online_dpo"]
    loss_type: Literal["sigmoid", "ipo"] = "sigmoid"
    """`sigmoid` is DPO's own; `ipo` aims at a margin of 1 / (2 beta) and goes no further (arXiv 2310.12036)."""
    beta: Positive = 0.1
    """How near the model stays to the reference; 0.01 lets it go far, 0.5 hardly."""
    temperature: Positive = 0.9
    """Randomness of the answers: two that are alike teach nothing, so stay near 1."""
    max_new_tokens: Count = 64
    """Longest answer, in tokens; longer ones break off there."""
    missing_eos_penalty: Positive | None = None
    """Taken off the reward of an answer that broke off; about the size of a good reward keeps answers short."""
    ref_model: Annotated[OtherModelField | None, OWN] = None
    """The reference; null is the model as it is before the first step."""
    disable_dropout: bool = True
    """Switch dropout off, so that both models see the same."""

    upstream: ClassVar[str | None] = "trl.experimental.online_dpo:OnlineDPOConfig"
    trainer: ClassVar[str] = "trl.experimental.online_dpo:OnlineDPOTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # TRL's default; ten times that with an adapter, as for the other algorithms.
    recommended_learning_rate: ClassVar[float] = 5e-7
    recommended_learning_rate_with_adapter: ClassVar[float] = 5e-6
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    reads_variables_of_rows: ClassVar[bool] = True
    rewarded: ClassVar[bool] = True
    # Upstream cannot evaluate: it looks for tokens in batches of texts.
    evaluation_metrics: ClassVar[tuple[str, ...]] = ()
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | {"max_length", "reward_model_path"}
    equation: ClassVar[str] = (
        "y1, y2 = two answers of the model to the prompt, better and worse by their reward\n"
        "h = log p(better) / ref(better) - log p(worse) / ref(worse)\n"
        "sigmoid: L = -E[ log sigmoid(beta * h) ]    ipo: L = E[ (h - 1 / (2 beta))^2 ]"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PROMPT_ROWS
    snippet: ClassVar[str] = (
        "algorithm: {type: online_dpo, max_new_tokens: 128}\nrewards: {type: exact_match, column: answer}"
    )

    @property
    def needs_reference(self) -> bool:
        """Always: the loss is taken of differences to it."""
        return True

    def models(self) -> Mapping[str, OtherModel]:
        """The reference, where the recipe names one."""
        return {} if self.ref_model is None else {"ref_model": self.ref_model}

    def conflicts(self) -> Iterable[Conflict]:
        """Options of ways to generate that are off."""
        yield from self.generation_conflicts()
