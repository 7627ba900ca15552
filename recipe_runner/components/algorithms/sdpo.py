"""Self-distillation from the model's own successes and from feedback."""

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
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

_OF_POLICY = ("loss_type", "epsilon", "epsilon_high", "importance_sampling_level", "scale_rewards")
_OF_DISTILLATION = (
    "distillation_mode",
    "distillation_alpha",
    "distillation_topk",
    "distillation_add_tail",
    "distillation_is_clip",
)


class Sdpo(Groups, VllmContext, Generator, Sampling, Algorithm):
    """Self-distillation policy optimization: the model learns what it would have said with a good answer before it.

    Use it where `grpo` learns slowly because a reward says so little: here each token of an
    answer gets advice. The model reads the prompt again, with a good answer beside it, and
    says how likely it finds each token then. The good answer is one of the model's own to the same prompt whose
    reward reaches `success_reward_threshold`; feedback on the prompt, such as a compiler's
    message in the column `privileged_context`, serves as well. Where the model never
    succeeds and there is no feedback, nothing is learned. Model and teacher are the same, so
    the model must be able to make use of a good answer; for small ones `grpo` is better.

    A prompt is a text, or messages that end with the user's.

    Source: arXiv 2601.20802; `trl.experimental.sdpo.SDPOTrainer`.
    """

    type: Literal["sdpo"]
    success_reward_threshold: float = 1.0
    """Smallest reward of an answer that others learn from; where rewards are sums, one that is reached now and then."""
    use_successful_as_teacher: bool = True
    """Show good answers to the teacher."""
    dont_reprompt_on_self_success: bool = True
    """Never show an answer to itself: a lone success teaches the others only."""
    include_environment_feedback: bool = False
    """Show the column `privileged_context` to the teacher."""
    environment_feedback_only_without_solution: bool = False
    """Show it only where there is no good answer."""
    remove_thinking_from_demonstration: bool = False
    """Take `<think>` blocks out of good answers before they are shown."""
    reprompt_template: str = (
        "{prompt}{solution}{feedback}\n\nCorrectly solve the original question.\n"
    )
    """What the teacher reads in place of the prompt."""
    solution_template: str = "\nCorrect solution:\n\n{successful_previous_attempt}\n\n"
    """What becomes `{solution}` where there is a good answer."""
    feedback_template: str = (
        "\nThe following is feedback from your unsuccessful earlier attempt:\n\n{feedback_raw}\n\n"
    )
    """What becomes `{feedback}` where there is feedback."""
    max_reprompt_len: Count = 10240
    """Longest text that the teacher reads, in tokens; longer ones lose their beginning."""
    teacher_model_kind: Literal["base", "live", "ema"] = "ema"
    """The teacher's weights: as at the start, as they are, or a running mean that follows slowly."""
    teacher_update_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    """With `ema`, the share of the model in the mean at each update; 1 copies it."""
    teacher_sync_steps: Count = 1
    """With `ema`, optimizer steps between two updates."""
    distillation_weight: Share = 1.0
    """Share of the distillation in the loss; the rest is that of `grpo` with the same rewards."""
    distillation_mode: Literal["sampled_token", "topk_logits", "full_logits"] = "sampled_token"
    """What is compared: the drawn token only, the likeliest tokens, or all."""
    distillation_alpha: Share = 1.0
    """The distance: 0 covers all that the teacher would say, 1 keeps to what it says most; `sampled_token` takes 1."""
    distillation_topk: Count | None = None
    """With `topk_logits`, the number of the model's likeliest tokens that are compared; 100 is usual."""
    distillation_add_tail: bool = False
    """With `topk_logits`, compare all other tokens as well, as if they were one."""
    distillation_is_clip: Positive | None = 2.0
    """Largest weight of tokens that have become likelier since the answers were given; null weighs none."""
    loss_type: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "dapo"
    """In the other part of the loss, how tokens become one: `grpo` each answer alike, `dapo` each token alike."""
    epsilon: Positive = 0.2
    """There, how far a token's probability may move in one round of answers before it is clipped, as a fraction."""
    epsilon_high: Positive | None = None
    """The same upwards; null is `epsilon`."""
    importance_sampling_level: Literal["token", "sequence"] = "token"
    """There, compare probabilities of tokens, or of whole answers (GSPO)."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """There, divide advantages by the spread of rewards in the group or the batch, or not."""
    mask_truncated_completions: bool = False
    """Leave answers that broke off at `max_completion_length` out of the loss."""
    max_completion_length: Count = 256
    """Longest answer, in tokens; longer ones break off there."""
    disable_dropout: bool = True
    """Switch dropout off, so that the teacher and the model differ by what they read alone."""
    use_teacher_server: bool = False
    """Let the vLLM server that answers tell the teacher's probabilities too: saves a forward pass, with `live` only."""

    upstream: ClassVar[str | None] = "trl.experimental.sdpo:SDPOConfig"
    trainer: ClassVar[str] = "trl.experimental.sdpo:SDPOTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    # TRL leaves transformers' 5e-5; this is what its other trainers on rewards take, as the same update.
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    experimental: ClassVar[bool] = True
    generates: ClassVar[bool] = True
    reads_base: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    rewarded: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "self_distillation/reward_mean",
        "self_distillation/success_group_fraction",
        "completions/mean_length",
    )
    managed: ClassVar[frozenset[str]] = GENERATION_MANAGED | {
        "generation_batch_size",
        "max_prompt_length",
    }
    equation: ClassVar[str] = (
        "t = p of the teacher after the prompt, a good answer and feedback; p = the model after the prompt\n"
        "L = w * E[ D(p, t) ] + (1 - w) * L_grpo, over answers for which there is one, w = distillation_weight\n"
        "alpha = 1: D = KL(p || t)    alpha = 0: D = KL(t || p)\n"
        "otherwise D = alpha * KL(t || m) + (1 - alpha) * KL(p || m), m = alpha * t + (1 - alpha) * p"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"prompt": "2 + 2 =", "answer": "4"},
        {"prompt": [{"role": "user", "content": "What is 7 x 13?"}], "answer": "91"},
        {
            "prompt": [{"role": "user", "content": "Write a Python expression for 2 to the 10."}],
            "answer": "2 ** 10",
            "privileged_context": "2 ^ 10 is 8: in Python, ^ is exclusive or.",
        },
    )
    snippet: ClassVar[str] = (
        "algorithm: {type: sdpo, num_generations: 8}\nrewards: {type: exact_match, column: answer}"
    )

    @property
    def needs_reference(self) -> bool:
        """Unless the teacher is the model as it is."""
        return self.teacher_model_kind != "live"

    def arguments(self) -> dict[str, Any]:
        """Upstream would cut prompts in silence; rows that are too long never reach it."""
        return {**super().arguments(), "max_prompt_length": None}

    def conflicts(self) -> Iterable[Conflict]:
        """What `trl.experimental.sdpo.SDPOTrainer` refuses, and what has no effect."""
        yield from self.generation_conflicts()
        yield from self._advice_conflicts()
        yield from self._loss_conflicts()
        if self.use_teacher_server:
            yield from self._server_conflicts()
        if self.num_generations_eval == 1:
            message = (
                "`num_generations_eval: 1` leaves no other answer to learn from or compare with"
            )
            yield Conflict("num_generations_eval", message, "use at least 2", "warning")

    def _changed(self, names: Iterable[str]) -> Iterator[str]:
        fields = type(self).model_fields
        return (name for name in names if getattr(self, name) != fields[name].default)

    def _advice_conflicts(self) -> Iterator[Conflict]:
        names = ("prompt", "solution", "feedback")
        wanted = ("prompt", "solution") if self.use_successful_as_teacher else ("prompt",)
        if self.include_environment_feedback:
            wanted = (*wanted, "feedback")
        yield from template_conflicts("reprompt_template", self.reprompt_template, wanted, names)
        answer = ("successful_previous_attempt",)
        yield from template_conflicts("solution_template", self.solution_template, answer, answer)
        raw = ("feedback_raw",)
        yield from template_conflicts("feedback_template", self.feedback_template, raw, raw)
        if not self.use_successful_as_teacher and not self.include_environment_feedback:
            message = "`use_successful_as_teacher: false` leaves the teacher with nothing to read but the prompt"
            help_text = "set `include_environment_feedback: true`, or remove it"
            yield Conflict("use_successful_as_teacher", message, help_text)
        if not self.include_environment_feedback:
            for name in self._changed(
                ("environment_feedback_only_without_solution", "feedback_template")
            ):
                message = f"`algorithm.{name}` has no effect without `include_environment_feedback`"
                yield Conflict(name, message, "set it, or remove this", "warning")
        if self.teacher_model_kind != "ema":
            for name in self._changed(("teacher_update_rate", "teacher_sync_steps")):
                message = f"`algorithm.{name}` has no effect with `teacher_model_kind: {self.teacher_model_kind}`"
                yield Conflict(name, message, "use `ema`, or remove it", "warning")

    def _loss_conflicts(self) -> Iterator[Conflict]:
        mode, weight = self.distillation_mode, self.distillation_weight
        unused = {1.0: _OF_POLICY, 0.0: _OF_DISTILLATION}.get(weight, ())
        for name in self._changed(unused):
            message = f"`algorithm.{name}` has no effect with `distillation_weight: {weight:g}`"
            yield Conflict(name, message, "change it, or remove this", "warning")
        if mode == "sampled_token" and self.distillation_alpha != 1:
            message = f"`algorithm.distillation_alpha` is {self.distillation_alpha:g}, and `sampled_token` takes 1"
            yield Conflict("distillation_alpha", message, "set it to 1, or compare more tokens")
        if mode == "topk_logits" and self.distillation_topk is None:
            message = "`distillation_mode: topk_logits` needs `algorithm.distillation_topk`"
            yield Conflict("distillation_topk", message, "100 is usual")
        if mode != "topk_logits" and weight > 0:
            for name in self._changed(("distillation_topk", "distillation_add_tail")):
                message = f"`algorithm.{name}` has no effect with `distillation_mode: {mode}`"
                yield Conflict(name, message, "remove it", "warning")
        if weight < 1 and self.importance_sampling_level == "sequence" and self.loss_type != "grpo":
            message = f"`importance_sampling_level: sequence` is weighed by length with `loss_type: {self.loss_type}`"
            help_text = "set the `loss_type` that weighs each answer alike"
            yield Conflict("importance_sampling_level", message, help_text, "warning")

    def _server_conflicts(self) -> Iterator[Conflict]:
        field = "use_teacher_server"
        if not (self.use_vllm and self.vllm_mode == "server"):
            message = "`algorithm.use_teacher_server` needs the server that answers"
            yield Conflict(field, message, "set `use_vllm: true` and `vllm_mode: server`")
        if self.teacher_model_kind != "live":
            message = (
                f"`teacher_model_kind: {self.teacher_model_kind}` is not what the server holds"
            )
            yield Conflict(field, message, "set `teacher_model_kind: live`")
        if self.distillation_weight < 1:
            message = f"`distillation_weight: {self.distillation_weight:g}` needs more than the server tells"
            yield Conflict(field, message, "remove one of them")
        if self.distillation_mode == "full_logits":
            message = (
                "`distillation_mode: full_logits` compares all tokens, and the server tells few"
            )
            yield Conflict(field, message, "use `topk_logits`")
