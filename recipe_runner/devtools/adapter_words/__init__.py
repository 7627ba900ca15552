"""What adapters that map 1:1 to a class of PEFT are called and what their options do."""

from collections.abc import Mapping

from recipe_runner.devtools.adapter_words import low_rank, prompts, rotations, sparse, vectors
from recipe_runner.devtools.adapter_words.word import COMMON, LEFT_OUT
from recipe_runner.devtools.worded import Method

METHODS: tuple[Method, ...] = (
    *low_rank.METHODS,
    *vectors.METHODS,
    *rotations.METHODS,
    *sparse.METHODS,
    *prompts.METHODS,
)

BY_HAND = ("AdaLoraConfig", "LoraConfig", "PromptTuningConfig")
"""Classes whose components are written by hand."""

NESTED = (
    "BdLoraConfig",
    "EvaConfig",
    "KasaConfig",
    "LoftQConfig",
    "LoraGAConfig",
    "MontecloraConfig",
    "VeloraConfig",
    "tuners.lora.config:CordaConfig",
)
"""Classes whose objects are options of LoRA."""

CONFIGS = tuple(sorted({*BY_HAND, *NESTED, *(method.config for method in METHODS)}))
"""Every class of PEFT that a plan may build."""

WITHOUT: Mapping[str, str] = {
    "ADAPTION_PROMPT": "its attention is written for an older form of two architectures, and drops TRL's arguments",
    "CPT": "its loss is over the whole output of the model, which TRL's loss does not compute",
    "MULTITASK_PROMPT_TUNING": "wants the number of a task with each row",
    "POLY": "wants the number of a task with each row",
    "SHADOW": "trains a second model with a loss of its own",
    "XLORA": "mixes adapters that exist, and trains no weights for the model",
}
"""Methods of PEFT without a component, each with the reason."""

__all__ = ["BY_HAND", "COMMON", "CONFIGS", "LEFT_OUT", "METHODS", "NESTED", "WITHOUT"]
