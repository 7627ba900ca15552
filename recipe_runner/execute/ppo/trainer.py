"""Proximal policy optimization of language models, on top of `trl.GRPOTrainer`.

Upstream draws the answers (with transformers or vLLM), judges them, and compares them with
the reference. Here each answer is judged on its own, not against its group: a value head
says what was expected of each token, and the loss is that of PPO.
Shapes: B answers of T tokens each, padded; a mask is True at tokens to learn from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from trl import GRPOConfig
from trl.models.utils import disable_gradient_checkpointing

from recipe_runner.execute.ppo.advantages import (
    generalized_advantages,
    mean_and_variance,
    next_kl_coef,
    token_kl,
    token_rewards,
    whiten,
)
from recipe_runner.execute.ppo.losses import clipped_policy_loss, clipped_value_loss
from recipe_runner.execute.ppo.options import Options
from recipe_runner.execute.ppo.valued import ValuedTrainer

Tensor = Any
"""A torch tensor."""


class PPOTrainer(ValuedTrainer):
    """Proximal policy optimization with a value head on the policy.

    Of `args`, `beta` is the weight of the distance to the reference, which is taken off
    the reward and is no part of the loss; 0 keeps no reference. `num_iterations` are the
    epochs over each round of answers, `epsilon`, `epsilon_high` and `entropy_coef` are as
    in GRPO. Its losses, its groups and its scaling of rewards play no part. `options` are
    those of `Options`. Further arguments are those of `trl.GRPOTrainer`.

    Source: arXiv 1707.06347; for language models 1909.08593 and 2203.02155.
    """

    _tag_names = ("trl", "ppo")
    _name = "PPO"
    _paper: Mapping[str, str] = {
        "title": "Proximal Policy Optimization Algorithms",
        "id": "1707.06347",
    }

    def __init__(
        self, model: Any, args: GRPOConfig, *, options: Mapping[str, Any], **upstream: Any
    ) -> None:
        self.options = Options(**options)
        if self.options.kl_target is not None and args.beta == 0:
            raise ValueError("kl_target adapts beta, which is 0 and stays 0")
        self.kl_coef = float(args.beta)
        rate = self.options.value_learning_rate
        super().__init__(model=model, args=args, value_learning_rate=rate, **upstream)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Tensor:
        self._judged = super()._calculate_rewards(*args, **kwargs)
        return self._judged

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """Upstream's answers, with advantages and returns per token instead of per answer."""
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        options = self.options
        scores = self._scores(batch)
        mask = (batch["completion_mask"] * batch.get("tool_mask", 1)).bool()
        mask &= ~scores.isnan()[:, None]
        old = self._before_updates(batch)
        reference = batch.get("ref_per_token_logps", old.logps)
        kl = torch.where(mask, token_kl(old.logps, reference, options.kl_estimator), 0.0)
        rewards = token_rewards(scores.nan_to_num(0.0), kl, mask, self.kl_coef)
        if options.whiten_rewards:
            rewards = whiten(rewards, mask, shift=False, total=self._total)
        advantages = generalized_advantages(
            rewards, old.values, mask, gamma=options.gamma, lam=options.lam
        )
        returns = advantages + old.values
        self._note_round(kl, returns, advantages, mask)
        if options.whiten_advantages:
            advantages = whiten(advantages, mask, total=self._total)
        self._show(advantages, mask)
        return {
            **batch,
            "old_per_token_logps": old.logps,
            "old_values": old.values,
            "advantages": advantages,
            "returns": returns,
            "learned": mask,
            "num_items_in_batch": self._total(mask.sum()),
        }

    def _scores(self, batch: Mapping[str, Any]) -> Tensor:
        """The scores of this process's answers, float[B]; nan where no function judged one."""
        judged = self._judged  # those of all processes, in the order of their ranks
        scores = (judged * self.reward_weights.to(judged.device)).nansum(1)
        scores[judged.isnan().all(1)] = torch.nan
        ids, length = batch["completion_ids"], batch["completion_mask"].sum(1, keepdim=True)
        mine = scores.view(-1, len(ids))[self.accelerator.process_index]
        last = ids.gather(1, (length - 1).clamp(min=0)).squeeze(1)
        ends = torch.tensor(self.eos_token_ids, device=ids.device)
        return mine - self.options.missing_eos_penalty * ~torch.isin(last, ends)

    def _before_updates(self, batch: Mapping[str, Any]) -> Any:
        """What the policy that wrote the answers says of them, without gradients."""
        args, training = self.args, self.model.training
        size = args.per_device_train_batch_size if training else args.per_device_eval_batch_size
        checkpointing = args.gradient_checkpointing_kwargs
        with torch.no_grad(), disable_gradient_checkpointing(self.model, checkpointing):
            return self.score(self.model, batch, batch_size=size)

    def _note_round(self, kl: Tensor, returns: Tensor, advantages: Tensor, mask: Tensor) -> None:
        """Log what the round was like, and adapt the weight of the distance for the next."""
        metrics, target = self._metrics[self._mode()], self.options.kl_target
        _, spread = mean_and_variance(returns, mask, self._total)
        _, missed = mean_and_variance(advantages, mask, self._total)  # returns - values
        explained = 1 - missed / spread.where(spread > 0, torch.nan)
        metrics["value/explained_variance"].append(explained.item())
        if self.beta == 0:
            return
        rows = torch.tensor(float(len(kl)), device=kl.device)
        summed, answers = self._total(torch.stack([kl.sum(), rows])).tolist()
        metrics["objective/kl"].append(summed / answers)
        metrics["kl_coef"].append(self.kl_coef)
        if target is not None and self.model.training:
            self.kl_coef = next_kl_coef(
                self.kl_coef,
                summed / answers,
                target=target,
                answers=int(answers),
                horizon=self.options.kl_horizon,
            )

    def _show(self, advantages: Tensor, mask: Tensor) -> None:
        """Put the mean advantage of each answer into upstream's table of completions."""
        means = advantages.sum(1) / mask.sum(1).clamp(min=1)
        shown, means = self._logs["advantages"], self.accelerator.gather(means).tolist()
        for _ in range(min(len(means), len(shown))):
            shown.pop()
        shown.extend(means)

    def _compute_loss(self, model: Any, inputs: Mapping[str, Any]) -> Tensor:
        """L^CLIP, L^VF and the entropy bonus of arXiv 1707.06347, equation 9, as one loss.

        Every token of a round weighs alike, however answers are spread over micro-batches,
        optimizer steps and processes.
        """
        options, mask, training = self.options, inputs["learned"], self.model.training
        now = self.score(model, inputs, aux_loss=self.aux_loss_enabled)
        policy, policy_clipped = clipped_policy_loss(
            now.logps,
            inputs["old_per_token_logps"],
            inputs["advantages"],
            low=self.epsilon_low,
            high=self.epsilon_high,
        )
        if "importance_sampling_ratio" in inputs:  # vLLM drew with slightly other probabilities
            policy = policy * inputs["importance_sampling_ratio"]
        value, value_clipped = clipped_value_loss(
            now.values, inputs["old_values"], inputs["returns"], cliprange=options.cliprange_value
        )
        loss = policy + options.vf_coef * value - self.entropy_coef * now.entropy
        # Gradients are added up over micro-steps, and averaged over processes.
        steps = self.current_gradient_accumulation_steps if training else 1
        tokens = inputs["num_items_in_batch"].clamp(min=1)
        if training:
            tokens = tokens / self.args.steps_per_generation  # of a micro-step, on average
        total = torch.where(mask, loss, 0.0).sum() * self.accelerator.num_processes
        total = total / (tokens * steps)
        noted = {
            "policy_loss": policy,
            "value_loss": value,
            "entropy": now.entropy,
            "clip_fraction": policy_clipped,
            "value/clip_fraction": value_clipped,
        }
        if now.aux_loss is not None:
            total = total + self.router_aux_loss_coef * now.aux_loss / steps
            noted["aux_loss"] = now.aux_loss.expand_as(mask)
        self._note_update(mask, noted, tokens)
        return total

    def _note_update(self, mask: Tensor, noted: Mapping[str, Tensor], tokens: Tensor) -> None:
        """Log means over the tokens of all processes, with one exchange between them.

        Weighed as the loss is: those of micro-steps have the mean of the round as their mean.
        """
        sums = [torch.where(mask, x.detach().float(), 0.0).sum() for x in noted.values()]
        means = self._total(torch.stack(sums)) / tokens
        for name, mean in zip(noted, means.tolist(), strict=True):
            self._metrics[self._mode()][name].append(mean)

    def _mode(self) -> str:
        return "train" if self.model.training else "eval"

    def _total(self, tensor: Tensor) -> Tensor:
        return self.accelerator.reduce(tensor, reduction="sum")

    def round_state(self) -> dict[str, Any]:
        """Also the weight of the distance, which adapts from round to round."""
        return {**super().round_state(), "kl_coef": self.kl_coef}

    def restore_round(self, state: Mapping[str, Any]) -> None:
        """Also the weight of the distance."""
        super().restore_round(state)
        self.kl_coef = state["kl_coef"]
