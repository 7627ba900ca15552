"""LoRA that moves its ranks to the layers that need them."""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from recipe_runner.components.adapter import PLAIN_AND_BNB, Adapter, Layers, Measures, Setting
from recipe_runner.components.base import OrAuto, Strings, settled
from recipe_runner.components.numbers import (
    Count,
    Dropout,
    Indices,
    Natural,
    NotNegative,
    Positive,
    Share,
)
from recipe_runner.plan import Call


class Adalora(Adapter):
    """AdaLoRA: starts with more ranks than it keeps, and drops those that matter least.

    Use it where the parameters have to be few and no one knows which layers need them. It
    needs the number of steps beforehand: the first `tinit` steps keep all ranks, the last
    `tfinal` only train what is left. A run with it cannot be resumed, since the importance
    of the ranks is in no checkpoint, so it wants `training.save_only_model`.

    Source: arXiv 2303.10512; `peft.AdaLoraConfig`.
    """

    type: Literal["adalora"]
    target_r: Count = 8
    """Ranks of a layer that are left at the end, on average."""
    init_r: Count = 12
    """Ranks of a layer at the beginning."""
    tinit: OrAuto[Natural] = "auto"
    """Steps before ranks are dropped; `auto` is a tenth of all."""
    tfinal: OrAuto[Natural] = "auto"
    """Steps after the last rank is dropped; `auto` is three tenths of all."""
    deltaT: Count = 1
    """Steps from one dropping to the next."""
    beta1: Share = 0.85
    """How slowly the importance of a rank changes."""
    beta2: Share = 0.85
    """How slowly the uncertainty of the importance changes."""
    orth_reg_weight: NotNegative = 0.5
    """Weight of the penalty that keeps the directions orthogonal."""
    lora_alpha: Positive = 8
    """Scale of the update."""
    lora_dropout: Dropout = 0.0
    """Dropout on the adapter's input, a fraction."""
    target_modules: str | Strings = "all-linear"
    """Layers to adapt: `all-linear`, a list of name endings, or a regular expression for whole names."""
    exclude_modules: str | Strings | None = None
    """Layers to leave out, in the same forms."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""
    layers_to_transform: Indices | None = None
    """Indices of the decoder layers to adapt; null is all of them."""
    layers_pattern: str | None = None
    """Name of the list of decoder layers, where `layers_to_transform` cannot find it."""
    init_lora_weights: bool = True
    """Start without an effect on the model; false starts from random weights."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases train; anything but `none` changes the base even with the adapter off."""

    upstream: ClassVar[str | None] = "peft:AdaLoraConfig"
    layers: ClassVar[Layers] = PLAIN_AND_BNB | {"gptq"}
    needs_steps: ClassVar[bool] = True
    resumes: ClassVar[bool] = False
    rank_field: ClassVar[str | None] = "init_r"
    snippet: ClassVar[str] = "adapter: {type: adalora, init_r: 12, target_r: 8}"

    def conflicts(self) -> Iterable[tuple[str, str, str]]:
        yield from super().conflicts()
        if self.target_r > self.init_r:
            message = f"`adapter.target_r` is {self.target_r}, and there are only `init_r`, {self.init_r}, to drop from"
            yield "target_r", message, "raise `init_r`; half as much again is usual"

    def parameters(self, on: Measures) -> int | None:
        return sum(self.init_r * (o + i + 1) for o, i in on.linear.values())

    def compile(self, setting: Setting) -> Call:
        total = setting.total_steps
        assert total is not None, "a rule demands the number of steps"
        arguments: dict[str, Any] = {
            **self.arguments(),
            "task_type": setting.task.upper(),
            "total_step": total,
            "tinit": _share(self.tinit, total, 10),
            "tfinal": _share(self.tfinal, total, 30),
        }
        return Call("peft:AdaLoraConfig", arguments)


def _share(value: OrAuto[int], total: int, percent: int) -> int:
    return total * percent // 100 if value == "auto" else settled(value)
