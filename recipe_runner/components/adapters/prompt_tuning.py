"""Trained vectors before the prompt."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from recipe_runner.components.adapter import ALL, Adapter, Layers, Measures, Setting, Targets
from recipe_runner.components.base import Strings
from recipe_runner.components.numbers import Count
from recipe_runner.plan import Call


class PromptTuning(Adapter):
    """Prompt tuning: trained vectors stand before the embeddings of the prompt.

    The smallest change that there is: the model itself stays, and requests with different
    prompts can be answered in one batch. Works best with large models; wants a high
    learning rate and many steps.

    Source: arXiv 2104.08691; `peft.PromptTuningConfig`.
    """

    type: Literal["prompt_tuning"]
    num_virtual_tokens: Count = 20
    """Trained vectors; 10 to 100 for most tasks."""
    prompt_tuning_init: Literal["RANDOM", "SAMPLE_VOCAB", "TEXT"] = "RANDOM"
    """Where they start: at random, at tokens drawn from the vocabulary, or at those of a text."""
    prompt_tuning_init_text: str | None = None
    """The text to start at; it is repeated or cut to the number of vectors."""
    modules_to_save: Strings | None = None
    """Modules trained in full and saved with the adapter."""

    upstream: ClassVar[str | None] = "peft:PromptTuningConfig"
    targets: ClassVar[Targets] = "prompt"
    layers: ClassVar[Layers] = ALL
    merges: ClassVar[bool] = False
    learning_rate_factor: ClassVar[float] = 50
    snippet: ClassVar[str] = "adapter: {type: prompt_tuning, num_virtual_tokens: 20}"

    def conflicts(self) -> Iterable[tuple[str, str, str]]:
        text = self.prompt_tuning_init_text
        if self.prompt_tuning_init == "TEXT" and not text:
            message = "`adapter.prompt_tuning_init` is TEXT, and there is no text to start at"
            yield "prompt_tuning_init", message, "give `prompt_tuning_init_text`"
        if self.prompt_tuning_init != "TEXT" and text is not None:
            message = (
                "`adapter.prompt_tuning_init_text` has no effect without `prompt_tuning_init: TEXT`"
            )
            yield "prompt_tuning_init_text", message, "set `prompt_tuning_init: TEXT`, or remove it"

    def parameters(self, on: Measures) -> int | None:
        return self.num_virtual_tokens * on.hidden_size

    def compile(self, setting: Setting) -> Call:
        arguments = {**self.arguments(), "task_type": setting.task.upper()}
        if self.prompt_tuning_init == "TEXT":
            arguments["tokenizer_name_or_path"] = setting.tokenizer
        return Call("peft:PromptTuningConfig", arguments)
