"""Builds what judges the answers of a run, from its plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from recipe_runner.components.base import create
from recipe_runner.components.reward import Reward, RewardError
from recipe_runner.execute.fault import fault
from recipe_runner.execute.rewards import codes
from recipe_runner.execute.rewards.batch import Batch
from recipe_runner.execute.rewards.completions import CompletionsLog
from recipe_runner.execute.rewards.function import Judge, Judged, RewardFunction
from recipe_runner.plan import Plan, RewardPlan


def build_rewards(
    plan: Plan, tokenizer: Any, log: CompletionsLog | None
) -> list[Callable[..., list[float]]]:
    """The rewards of a plan as functions in TRL's form, in the plan's order, and logged.

    `tokenizer` is of the model that trains. Reports RR617 for code that has changed, RR717 for
    rewards that cannot be made, RR719 for models that cannot judge.
    """
    names = unique_names(plan.rewards)
    weights = {name: each.weight for name, each in zip(names, plan.rewards, strict=True)}
    judged = Judged(weights, log)
    return [
        RewardFunction(
            name,
            _judge(plan, reward, number),
            recipe=plan.recipe_path,
            tokenizer=tokenizer,
            judged=judged,
            file=reward.file,
        )
        for number, (name, reward) in enumerate(zip(names, plan.rewards, strict=True))
    ]


def unique_names(rewards: Iterable[RewardPlan]) -> list[str]:
    """Their names, those that come again with a number: `length`, `length_2`."""
    names: list[str] = []
    for reward in rewards:
        name, number = reward.name, 1
        while name in names:
            number += 1
            name = f"{reward.name}_{number}"
        names.append(name)
    return names


def _judge(plan: Plan, reward: RewardPlan, number: int) -> Judge:
    made: Reward = create(
        "recipe_runner.components.rewards", {**reward.options, "type": reward.type}
    )
    if reward.file is not None:
        from recipe_runner.execute.rewards.code import CodeJudge, load_code

        return CodeJudge(load_code(plan, reward, number), reward.options.get("kwargs", {}))
    if made.model is not None:
        from recipe_runner.execute.rewards.model import ModelJudge

        models = {other.role: other.model for other in plan.models}
        return ModelJudge(plan, models[f"rewards.{number}"], reward.options["batch_size"])
    if made.upstream_function is not None:
        from recipe_runner.execute.rewards.upstream import UpstreamJudge

        return UpstreamJudge(made.upstream_function)
    return _by_itself(plan, reward, made)


def _by_itself(plan: Plan, reward: RewardPlan, made: Reward) -> Judge:
    try:
        made.prepare()
    except RewardError as error:
        message = f"reward {reward.name} cannot be used: {error}"
        raise fault(codes.REWARD_FAILED, plan.recipe_path, message, "correct the recipe") from error

    def judge(batch: Batch) -> list[float]:
        return [made.judge(answer) for answer in batch.answers()]

    return judge
