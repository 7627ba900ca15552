"""Proximal policy optimization, with a value head on the policy."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.base import OWN
from recipe_runner.components.generation import GENERATION_MANAGED, Batching, Count, Groups
from recipe_runner.components.prompts import PROMPT_ROWS
from recipe_runner.plan import Feed, Shape

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]

_NOT_OURS = frozenset(
    {
        "beta",
        "loss_type",
        "scale_rewards",
        "multi_objective_aggregation",
        "delta",
        "importance_sampling_level",
        "top_entropy_quantile",
        "use_adaptive_entropy",
        "entropy_coef_min",
        "entropy_coef_max",
        "entropy_coef_delta",
        "entropy_target",
        "sapo_temperature_neg",
        "sapo_temperature_pos",
        "vespo_k_pos",
        "vespo_lambda_pos",
        "vespo_k_neg",
        "vespo_lambda_neg",
        "off_policy_mask_threshold",
        "use_bias_correction_kl",
    }
)
"""Arguments of GRPO's own losses, and the one that `kl_coef` sets."""


class Ppo(Groups, Batching, Algorithm):
    """Proximal policy optimization: a value head says which tokens of an answer did better than expected.

    The classic of reinforcement learning from human feedback: a reward model or rules judge
    whole answers (`rewards`), and every token costs its distance to the reference, so that
    the model does not run away with the reward. The value head is one linear layer on the
    last hidden state of the model, trained along. Use it where the credit for an answer is to
    be spread over its tokens, or where one prompt cannot be answered many times; GRPO needs no
    value head and is simpler to tune. It is a trainer of recipe_runner's own on top of
    TRL's generation, rewards and reference.

    Source: arXiv 1707.06347, equations 7 and 9; advantages 1506.02438, equation 16; for
    language models 1909.08593 and 2203.02155.
    """

    type: Literal["ppo"]
    num_generations: Annotated[int, Field(ge=2)] = 2
    """Answers to each prompt, at least 2; each is judged on its own, so that more prompts serve better."""
    num_iterations: Count = 4
    """Epochs of PPO: how often each round of answers is trained on."""
    epsilon: Positive = 0.2
    """How far a token's probability may move in one round of answers before it is clipped, as a fraction."""
    epsilon_high: Positive | None = None
    """The same upwards; null is `epsilon`."""
    kl_coef: Annotated[NonNegative, OWN] = 0.05
    """Reward that a nat of distance to the reference costs; 0 needs no reference model."""
    kl_target: Annotated[Positive | None, OWN] = None
    """Distance to the reference, nats per answer, that `kl_coef` adapts to; null leaves it fixed, else 6 is usual."""
    kl_horizon: Annotated[Positive, OWN] = 10000.0
    """Answers over which `kl_coef` adapts; fewer adapt faster."""
    kl_estimator: Annotated[Literal["k1", "k3"], OWN] = "k1"
    """How the distance is estimated at a token: `k1` is the plain log-ratio, `k3` is steadier and never negative."""
    gamma: Annotated[Share, OWN] = 1.0
    """Weight of later rewards per token; below 1 long answers earn less."""
    lam: Annotated[Share, OWN] = 0.95
    """Trust in what came after a token against its value: 1 waits for the whole answer, 0 for the next token only."""
    vf_coef: Annotated[NonNegative, OWN] = 0.1
    """Weight of the loss of the values, which trains the model along with the head; 0 leaves the values at zero."""
    cliprange_value: Annotated[Positive | None, OWN] = 0.2
    """How far a value may move in one round, in units of the reward; null does not clip."""
    value_learning_rate: Annotated[Positive, OWN] = 1e-5
    """Learning rate of the value head, which starts at zero and follows the schedule of `training.learning_rate`."""
    whiten_rewards: Annotated[bool, OWN] = False
    """Scale the rewards of tokens to a variance of 1 in each round; for rewards of changing size."""
    whiten_advantages: Annotated[bool, OWN] = True
    """Shift and scale advantages to a mean of 0 and a variance of 1 in each round."""
    missing_eos_penalty: Annotated[NonNegative, OWN] = 0.0
    """Reward taken off an answer that broke off at `max_completion_length`; 1 is usual where answers should end."""
    mask_truncated_completions: bool = False
    """Leave such answers out of the loss instead."""
    entropy_coef: float = 0.0
    """Weight of a bonus for unsure answers, against collapse; small, such as 0.001."""
    vllm_importance_sampling_correction: bool = True
    """Correct for vLLM computing slightly other probabilities than the training does."""
    disable_dropout: bool = True
    """Switch dropout off, which would otherwise count as a change of the policy."""
    cast_lm_head_to_fp32: bool = False
    """Compute the last layer in float32, which brings training and vLLM closer together."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens."""
    router_aux_loss_coef: NonNegative | None = None
    """Weight of the load-balancing loss of mixture-of-experts models; null leaves the model's own."""

    upstream: ClassVar[str | None] = "trl:GRPOConfig"
    trainer: ClassVar[str] = "recipe_runner:PPOTrainer"
    feed: ClassVar[Feed] = "prompts"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("prompt",)
    recommended_learning_rate: ClassVar[float] = 1e-6
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-5
    generates: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = True
    rewarded: ClassVar[bool] = True
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss", "reward", "reward_std", "entropy")
    managed: ClassVar[frozenset[str]] = (
        GENERATION_MANAGED | _NOT_OURS | frozenset({"generation_batch_size"})
    )
    equation: ClassVar[str] = (
        "r_t = [t is the last token] * score - kl_coef * (log p_old(t) - log ref(t))\n"
        "A_t = sum_l (gamma * lam)^l * (r_(t+l) + gamma * V_old(t+l+1) - V_old(t+l)),  R_t = A_t + V_old(t)\n"
        "L = E[ -min( w_t * A_t, clip(w_t, 1 - epsilon, 1 + epsilon_high) * A_t ) ]\n"
        "    + vf_coef * E[ max( (V_t - R_t)^2, (clip(V_t, V_old(t) +- cliprange_value) - R_t)^2 ) ] / 2\n"
        "    - entropy_coef * E[ H_t ],  w_t = p(t) / p_old(t)"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = PROMPT_ROWS
    snippet: ClassVar[str] = (
        "algorithm: {type: ppo, kl_coef: 0.05}\nrewards: {type: exact_match, column: answer}"
    )

    @property
    def needs_reference(self) -> bool:
        """Only where the distance to it costs something."""
        return self.kl_coef > 0

    def arguments(self) -> dict[str, Any]:
        """Upstream keeps a reference for a `beta` above 0, and our trainer takes its weight from there."""
        return {**super().arguments(), "beta": self.kl_coef}

    def parameters_beside(self, hidden_size: int) -> int:
        return hidden_size + 1

    def trainer_arguments(self) -> Mapping[str, Any]:
        """What upstream's arguments have no field for."""
        ours = {n for n, f in type(self).model_fields.items() if OWN in f.metadata}
        return {"options": self.model_dump(mode="json", include=ours - {"kl_coef"})}

    def conflicts(self) -> Iterable[Conflict]:
        """Options without effect, and those that upstream refuses."""
        yield from self.generation_conflicts()
        fields = type(self).model_fields
        if self.kl_coef == 0:
            if self.kl_target is not None:
                message = "`algorithm.kl_target` adapts `kl_coef`, and 0 stays 0"
                yield Conflict("kl_target", message, "set `kl_coef`, or remove it")
            if self.kl_estimator != fields["kl_estimator"].default:
                message = "`algorithm.kl_estimator` has no effect with `kl_coef: 0`"
                yield Conflict("kl_estimator", message, "set `kl_coef`, or remove it", "warning")
        if self.kl_target is None and self.kl_horizon != fields["kl_horizon"].default:
            message = "`algorithm.kl_horizon` has no effect without `algorithm.kl_target`"
            yield Conflict("kl_horizon", message, "set `kl_target`, or remove it", "warning")
        if self.vf_coef == 0:
            for name in ("value_learning_rate", "cliprange_value"):
                if getattr(self, name) != fields[name].default:
                    message = f"`algorithm.{name}` has no effect with `vf_coef: 0`"
                    yield Conflict(name, message, "set `vf_coef`, or remove it", "warning")
        if self.mask_truncated_completions and self.missing_eos_penalty > 0:
            message = "`algorithm.missing_eos_penalty` is for answers that `mask_truncated_completions` leaves out"
            yield Conflict("missing_eos_penalty", message, "remove one of them", "warning")
