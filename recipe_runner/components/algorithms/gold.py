"""Distillation across tokenizers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.generation import Drawing, Vllm, VllmContext, VllmPattern
from recipe_runner.components.teacher import ANSWERED_ROWS, TEACHER_MANAGED, Taught
from recipe_runner.plan import Feed, Shape

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Gold(Taught, VllmPattern, VllmContext, Vllm, Drawing, Algorithm):
    """General online logit distillation: as `gkd`, also from a teacher that cuts text into other tokens.

    Use it with `use_uld_loss: true` where no teacher with the model's own vocabulary is good
    enough. Tokens of both that cover the same text are put together, and their sorted
    probabilities are compared (universal logit distillation, arXiv 2402.12030), or with
    `uld_use_hybrid_loss` those of the tokens that both know directly. With a shared vocabulary
    leave it off: the loss is then that of `gkd`, with vLLM for the answers. `distillation` is
    maintained better where on-policy answers and a shared vocabulary are all one needs.
    Evaluation is always on the answers of the data.

    A teacher of another vocabulary without `use_uld_loss` is resized to the model's, by
    upstream and without a word, and teaches nothing sensible.

    Source: "Unlocking On-Policy Distillation for Any Model Family" (Hugging Face, 2025);
    `trl.experimental.gold.GOLDTrainer`.
    """

    type: Literal["gold"]
    lmbda: Share = 0.5
    """Share of forward passes on answers that the model gives itself: 0 takes those of the data, 1 none of them."""
    beta: Share = 0.5
    """Where tokens are compared directly: 0 covers all that the teacher would say, 1 keeps to what it says most."""
    temperature: Positive = 0.9
    """Randomness of the model's answers; without `use_uld_loss` it softens the compared probabilities too."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Draw among the likeliest tokens that together have this probability; 1 draws among all."""
    max_completion_length: Count = 128
    """Longest generated answer, in tokens; has to be below `data.max_length`."""
    num_generations: Count = 1
    """Answers to each prompt in a step; with more than 1, `lmbda` should be 1."""
    disable_dropout: bool = True
    """Switch dropout off."""
    activation_offloading: bool = False
    """Keep activations in CPU memory between forward and backward: slower, smaller."""
    use_uld_loss: bool = False
    """Compare probabilities of other tokens; needed where teacher and model cut text differently."""
    use_extended_uld: bool = True
    """Put tokens together until they cover the same text, with byte-level tokenizers; else tokens go by their place."""
    uld_token_merge_strategy: Literal["observed", "bayesian"] = "observed"
    """How tokens that are put together get one distribution: the one of the first, or of the last given the others."""
    uld_use_hybrid_loss: bool = False
    """Compare tokens that both vocabularies have directly, and only the others by their sorted probabilities."""
    uld_hybrid_matched_weight: NonNegative | None = None
    """Weight of the tokens that both have; null is their share of the teacher's vocabulary."""
    uld_hybrid_unmatched_weight: NonNegative | None = None
    """Weight of the others; null is the rest of that share."""
    uld_crossentropy_weight: NonNegative = 0.0
    """Weight of the answer's own cross-entropy beside the distillation; 0 leaves it out."""
    uld_distillation_weight: NonNegative = 1.0
    """Weight of the distillation."""
    uld_student_temperature: Positive = 1.0
    """Above 1, the model's probabilities are compared more evenly."""
    uld_teacher_temperature: Positive = 1.0
    """The same for the teacher's."""
    uld_skip_student_eos: bool = True
    """Leave out the last token of the model's side, which ends the text and often differs between families."""
    uld_skip_teacher_eos: bool = True
    """The same for the teacher's."""
    vllm_sync_frequency: Count = 1
    """Optimizer steps between two transfers of weights to vLLM; more is faster, and the answers lag behind."""

    upstream: ClassVar[str | None] = "trl.experimental.gold:GOLDConfig"
    trainer: ClassVar[str] = "trl.experimental.gold:GOLDTrainer"
    reads_head: ClassVar[bool] = True
    compares_words: ClassVar[bool] = True
    holds_logits: ClassVar[bool] = True
    feed: ClassVar[Feed] = "answered_sequences"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("conversation", "prompt_completion")
    # Between the default of TRL, 1e-7, and the rate of its examples, 2e-5; ten times that with an adapter.
    recommended_learning_rate: ClassVar[float] = 2e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 2e-5
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    rounds_per_process: ClassVar[bool] = True
    managed: ClassVar[frozenset[str]] = TEACHER_MANAGED | {
        "model_init_kwargs",
        "trust_remote_code",
        "teacher_tokenizer_name_or_path",
        "generation_batch_size",
        "chat_template_path",
        "dataset_text_field",
        "dataset_kwargs",
        "dataset_num_proc",
        "eos_token",
        "pad_token",
        "max_length",
        "truncation_mode",
        "shuffle_dataset",
        "packing",
        "packing_strategy",
        "eval_packing",
        "padding_free",
        "completion_only_loss",
        "assistant_only_loss",
        "log_completions",
        "log_completions_steps",
        "num_completions_to_print",
        "wandb_log_unique_prompts",
        "callbacks",
    }
    equation: ClassVar[str] = (
        "one vocabulary: L = E[ beta * KL(teacher || m) + (1 - beta) * KL(p || m) ],"
        " m = beta * teacher + (1 - beta) * p\n"
        "use_uld_loss: L = E[ sum over k of | p_(k) - teacher_(k) | ] at each piece of text that both cut alike\n"
        "p_(k) = the k-th largest probability of a token there"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = ANSWERED_ROWS
    snippet: ClassVar[str] = (
        "algorithm: {type: gold, teacher_model: org/model-of-another-family, use_uld_loss: true}"
    )

    @property
    def sequences_per_row(self) -> int:
        """Answers to each prompt."""
        return self.num_generations

    @property
    def shares_vocabulary(self) -> bool:
        """Unless tokens are matched by their text."""
        return not self.use_uld_loss

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.experimental.gold.GOLDConfig` refuses, and what has no effect."""
        yield from self.generation_conflicts()
        if self.num_generations > 1 and self.lmbda < 1:
            message = f"`algorithm.num_generations` is {self.num_generations}, and given answers are repeated as often"
            yield Conflict("num_generations", message, "set `lmbda: 1`", "warning")
        yield from self._uld_conflicts()

    def _uld_conflicts(self) -> Iterator[Conflict]:
        fields = type(self).model_fields
        if not self.use_uld_loss:
            names = [name for name in fields if name.startswith("uld_")] + ["use_extended_uld"]
            for name in names:
                if getattr(self, name) != fields[name].default:
                    message = f"`algorithm.{name}` has no effect without `algorithm.use_uld_loss`"
                    yield Conflict(name, message, "set it, or remove this", "warning")
            return
        matched, unmatched = self.uld_hybrid_matched_weight, self.uld_hybrid_unmatched_weight
        if not self.uld_use_hybrid_loss:
            for name in ("uld_hybrid_matched_weight", "uld_hybrid_unmatched_weight"):
                if getattr(self, name) is not None:
                    message = f"`algorithm.{name}` has no effect without `uld_use_hybrid_loss`"
                    yield Conflict(name, message, "set it, or remove this", "warning")
            if self.beta != fields["beta"].default:
                message = "`algorithm.beta` has no effect with `use_uld_loss` alone"
                yield Conflict(
                    "beta", message, "set `uld_use_hybrid_loss`, or remove it", "warning"
                )
        elif (matched is None) != (unmatched is None):
            given = "matched" if matched is not None else "unmatched"
            other = "unmatched" if matched is not None else "matched"
            message = f"`algorithm.uld_hybrid_{given}_weight` stands without its counterpart"
            help_text = f"set `uld_hybrid_{other}_weight` too, or remove it"
            yield Conflict(f"uld_hybrid_{given}_weight", message, help_text)
        if self.uld_distillation_weight == 0 and self.uld_crossentropy_weight == 0:
            message = "`algorithm.uld_distillation_weight` and `uld_crossentropy_weight` are both 0"
            yield Conflict("uld_distillation_weight", message, "raise one of them")
        if self.uld_token_merge_strategy != "observed" and not self.use_extended_uld:
            message = "`uld_token_merge_strategy: bayesian` is for tokens that `use_extended_uld: false` leaves apart"
            yield Conflict("uld_token_merge_strategy", message, "remove one of them", "warning")
