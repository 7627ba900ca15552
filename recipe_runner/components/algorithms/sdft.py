"""Self-distillation from what only the teacher is told."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.generation import (
    GENERATION_MANAGED,
    Generator,
    Groups,
    Sampling,
    VllmContext,
)
from recipe_runner.components.teacher import template_conflicts
from recipe_runner.plan import Feed, Shape

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]

_NAMES = ("prompt", "privileged_context")


class Sdft(Groups, VllmContext, Generator, Sampling, Algorithm):
    """Self-distillation fine-tuning: the model answers a prompt, and learns what it would have said with a hint.

    Use it to teach from demonstrations without forgetting: each row has a prompt and a
    `privileged_context`, such as a worked example, a fact or a good answer. Model and teacher
    are the same, only the teacher reads the context, so nothing but the context is learned.
    The model must be good enough to make use of a hint; for small ones `sft` on the
    demonstrations is better. No reward and no second model are needed.

    A prompt is a text, or messages that end with the user's.

    Source: arXiv 2601.19897; `trl.experimental.sdft.SDFTTrainer`.
    """

    type: Literal["sdft"]
    teacher_prompt_template: str = "{prompt}\n\n{privileged_context}"
    """What the teacher reads in place of the prompt; both names in braces have to stand in it."""
    teacher_model_kind: Literal["base", "live", "ema"] = "base"
    """The teacher's weights: as at the start, as they are, or a running mean that follows slowly."""
    teacher_update_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    """With `ema`, the share of the model in the mean at each update; 1 copies it."""
    teacher_sync_steps: Count = 1
    """With `ema`, optimizer steps between two updates."""
    distillation_mode: Literal["topk_logits", "full_logits", "sampled_token"] = "topk_logits"
    """What is compared: the likeliest tokens, all, or the drawn one only."""
    distillation_alpha: Share = 0.5
    """The distance: 0 covers all that the teacher would say, 1 keeps to what it says most, 0.5 is Jensen-Shannon."""
    distillation_topk: Count | None = 100
    """With `topk_logits`, the number of the model's likeliest tokens that are compared."""
    distillation_add_tail: bool = False
    """With `topk_logits`, compare all other tokens as well, as if they were one."""
    distillation_is_clip: Annotated[float, Field(gt=0)] | None = 2.0
    """Largest weight of tokens that have become likelier since the answers were given; null weighs none."""
    num_loss_tokens_to_skip: Annotated[int, Field(ge=0)] = 0
    """Leave the first tokens of an answer out of the loss, where the teacher would speak of its hint."""
    generate_from_teacher: bool = False
    """Let the teacher answer, who has read the context, instead of the model."""
    max_completion_length: Count = 256
    """Longest answer, in tokens; longer ones break off there."""
    num_generations: Count = 8
    """Answers to each prompt in a step; they are not compared, so 1 will do where there are many prompts."""
    disable_dropout: bool = True
    """Switch dropout off, so that the teacher and the model differ by the context alone."""
    use_teacher_server: bool = False
    """Let the vLLM server that answers tell the teacher's probabilities too: saves a forward pass, with `live` only."""

    upstream: ClassVar[str | None] = "trl.experimental.sdft:SDFTConfig"
    trainer: ClassVar[str] = "trl.experimental.sdft:SDFTTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # TRL leaves transformers' 5e-5; a fifth of it keeps what the model can already do.
    recommended_learning_rate: ClassVar[float] = 1e-5
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-4
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    reads_base: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("privileged_context",)
    whole_batches: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "self_distillation/distillation_loss",
        "completions/mean_length",
    )
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | {
        "generation_batch_size",
        "max_prompt_length",
    }
    equation: ClassVar[str] = (
        "t = p of the teacher after the prompt and the context, at each token of an answer of the model\n"
        "m = alpha * t + (1 - alpha) * p\n"
        "L = E[ alpha * KL(t || m) + (1 - alpha) * KL(p || m) ]\n"
        "alpha = 0: KL(t || p)    alpha = 1: KL(p || t)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {
            "prompt": "2 + 2 =",
            "privileged_context": "Such a sum is written as its value: 1 + 1 = 2.",
        },
        {
            "prompt": [{"role": "user", "content": "What is 7 x 13?"}],
            "privileged_context": "7 x 13 = 7 x 10 + 7 x 3 = 70 + 21 = 91.",
        },
        {
            "prompt": [
                {"role": "system", "content": "Answer in one word."},
                {"role": "user", "content": "Which planet is red?"},
            ],
            "privileged_context": [{"role": "assistant", "content": "Mars"}],
        },
    )
    snippet: ClassVar[str] = "algorithm: {type: sdft, num_generations: 1}"

    @property
    def needs_reference(self) -> bool:
        """Unless the teacher is the model as it is."""
        return self.teacher_model_kind != "live"

    def arguments(self) -> dict[str, Any]:
        """Upstream would cut prompts in silence; rows that are too long never reach it."""
        return {**super().arguments(), "max_prompt_length": None}

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.experimental.sdft.SDFTTrainer` refuses, and what has no effect."""
        yield from self.generation_conflicts()
        template = self.teacher_prompt_template
        yield from template_conflicts("teacher_prompt_template", template, _NAMES, _NAMES)
        yield from self._distance_conflicts()
        fields = type(self).model_fields
        if self.teacher_model_kind != "ema":
            for name in ("teacher_update_rate", "teacher_sync_steps"):
                if getattr(self, name) != fields[name].default:
                    message = f"`algorithm.{name}` has no effect with `teacher_model_kind: {self.teacher_model_kind}`"
                    yield Conflict(name, message, "use `ema`, or remove it", "warning")
        clip = fields["distillation_is_clip"].default
        if self.generate_from_teacher and self.distillation_is_clip != clip:
            message = "`algorithm.distillation_is_clip` has no effect with `generate_from_teacher`"
            yield Conflict("distillation_is_clip", message, "remove one of them", "warning")
        if self.num_loss_tokens_to_skip >= self.max_completion_length:
            message = f"`algorithm.num_loss_tokens_to_skip` skips all {self.max_completion_length} tokens of an answer"
            yield Conflict("num_loss_tokens_to_skip", message, "lower it")

    def _distance_conflicts(self) -> Iterator[Conflict]:
        mode, fields = self.distillation_mode, type(self).model_fields
        if mode == "sampled_token" and self.distillation_alpha != 1:
            message = f"`algorithm.distillation_alpha` is {self.distillation_alpha:g}, and `sampled_token` takes 1"
            yield Conflict("distillation_alpha", message, "set it to 1, or compare more tokens")
        if mode == "topk_logits" and self.distillation_topk is None:
            message = "`distillation_mode: topk_logits` needs `algorithm.distillation_topk`"
            yield Conflict("distillation_topk", message, "100 is usual")
        if mode != "topk_logits":
            for name in ("distillation_topk", "distillation_add_tail"):
                if getattr(self, name) not in (None, fields[name].default):
                    message = f"`algorithm.{name}` has no effect with `distillation_mode: {mode}`"
                    yield Conflict(name, message, "remove it", "warning")
        if self.use_teacher_server:
            if not (self.use_vllm and self.vllm_mode == "server"):
                message = "`algorithm.use_teacher_server` needs the server that answers"
                help_text = "set `use_vllm: true` and `vllm_mode: server`"
                yield Conflict("use_teacher_server", message, help_text)
            if self.teacher_model_kind != "live":
                message = (
                    f"`teacher_model_kind: {self.teacher_model_kind}` is not what the server holds"
                )
                yield Conflict("use_teacher_server", message, "set `teacher_model_kind: live`")
            if mode == "full_logits":
                message = (
                    "`distillation_mode: full_logits` compares all tokens, and the server tells few"
                )
                yield Conflict("use_teacher_server", message, "use `topk_logits`")
