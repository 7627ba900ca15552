"""Runs a function of the user's own file, as it was when it was allowed."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from recipe_runner.execute.fault import fault
from recipe_runner.execute.rewards import codes
from recipe_runner.execute.rewards.batch import Batch
from recipe_runner.plan import Plan, RewardPlan

_CHANGED = "put it back as it was, or start the run again with --allow-code"


def allowed_content(plan: Plan, reward: RewardPlan) -> bytes:
    """What the file of a reward holds. Reports RR617 where it is not what was allowed."""
    assert reward.file is not None
    try:
        content = Path(reward.file).read_bytes()
    except OSError as error:
        reason = (error.strerror or "").lower()
        message = f"{reward.file} cannot be read: {reason}"
        raise fault(codes.CODE_CHANGED, plan.recipe_path, message, _CHANGED) from error
    found = hashlib.sha256(content).hexdigest()
    if found != reward.sha256:
        raise fault(
            codes.CODE_CHANGED,
            plan.recipe_path,
            f"{reward.file} holds other code than when the run was allowed to use it: its "
            f"SHA-256 is {found[:12]}..., and the plan has {str(reward.sha256)[:12]}...",
            _CHANGED,
        )
    return content


class CodeJudge:
    """Calls the function of a file with what it takes, and with the recipe's `kwargs`."""

    def __init__(self, function: Callable[..., Any], kwargs: Mapping[str, Any]) -> None:
        self._function, self._kwargs = function, kwargs
        parameters = inspect.signature(function).parameters.values()
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
        self._takes = None if open_ended else {p.name for p in parameters}

    def __call__(self, batch: Batch) -> Any:
        given = {
            **batch.others,
            **batch.shown,
            "prompts": list(batch.prompts),
            "completions": list(batch.completions),
            "completion_ids": list(batch.token_ids),
        }
        if self._takes is not None:
            given = {name: value for name, value in given.items() if name in self._takes}
        found = self._function(**{**given, **self._kwargs})
        if inspect.isawaitable(found):
            found = asyncio.run(_awaited(found))
        return list(found) if isinstance(found, Iterator) else found


async def _awaited(found: Any) -> Any:
    return await found


def load_code(plan: Plan, reward: RewardPlan, number: int) -> Callable[..., Any]:
    """The function of a reward, from the very bytes that were allowed. Reports RR617, RR717."""
    content = allowed_content(plan, reward)
    assert reward.file is not None
    assert reward.function is not None
    # Its own folder is not searched: other files in it were not allowed.
    module = ModuleType(f"_recipe_runner_reward_{number}")
    module.__file__ = reward.file
    # Classes and pickles look their module up by its name.
    sys.modules[module.__name__] = module
    try:
        exec(compile(content, reward.file, "exec"), vars(module))
        function: Callable[..., Any] = vars(module)[reward.function]
        inspect.signature(function)  # fails for what is no function, or does not say what it takes
    except Exception as error:
        traceback.print_exception(error, file=sys.stderr)
        raise fault(
            codes.REWARD_FAILED,
            plan.recipe_path,
            f"reward {reward.name} cannot be loaded from {reward.file}: "
            f"{type(error).__name__}: {error}",
            "it may import installed packages, and no files beside it",
        ) from error
    return function
