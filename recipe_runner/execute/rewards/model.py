"""Lets a reward model judge.

It reads what it was trained on: a conversation through its own chat template, and otherwise
prompt and answer as one text, with the end token behind it.
Source: `trl.GRPOTrainer._calculate_rewards` for conversations, `trl.RewardTrainer` for texts.
"""

from __future__ import annotations

from typing import Any

from recipe_runner.execute.fault import fault
from recipe_runner.execute.model import load_other
from recipe_runner.execute.rewards import codes
from recipe_runner.execute.rewards.batch import Batch, text_of
from recipe_runner.plan import ModelPlan, Plan

_HELP = "name a model that was trained as a reward model"


class ModelJudge:
    """A model with one label, on the device of this process, and its own tokenizer.

    Reports RR719 for a model that cannot judge, RR714 for weights that its checkpoint lacks.
    """

    def __init__(self, plan: Plan, model: ModelPlan, batch_size: int) -> None:
        from accelerate import PartialState
        from transformers import AutoTokenizer

        self._plan, self._name, self._batch_size = plan, model.name_or_path, batch_size
        self._demand_one_label(model)
        self._tokenizer = AutoTokenizer.from_pretrained(model.name_or_path, **_source(model))
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model = load_other(plan, model).to(PartialState().device)
        config = self._model.config.get_text_config()
        # The head looks at the last token that is no padding.
        config.pad_token_id = self._tokenizer.pad_token_id
        self._longest: int | None = getattr(config, "max_position_embeddings", None)

    def __call__(self, batch: Batch) -> list[float]:
        tokens = [self._tokens(batch, at) for at in range(len(batch))]
        found: list[float] = []
        for start in range(0, len(tokens), self._batch_size):
            found += self._scores(tokens[start : start + self._batch_size])
        return found

    def _tokens(self, batch: Batch, at: int) -> list[int]:
        prompt, answer = batch.prompts[at], batch.completions[at]
        ids: list[int]
        if isinstance(prompt, str):
            ids = self._tokenizer(prompt + text_of(answer))["input_ids"]
            end = self._tokenizer.eos_token_id
            ids = ids if end is None or ids[-1:] == [end] else [*ids, end]
        elif self._tokenizer.chat_template is None:
            raise self._unusable("has no chat template, and the prompts are conversations")
        else:
            turns = (
                [{"role": "assistant", "content": answer}] if isinstance(answer, str) else answer
            )
            variables = {**self._plan.tokenizer.chat_template_kwargs, **batch.variables[at]}
            text = self._tokenizer.apply_chat_template(
                [*prompt, *turns], tokenize=False, **variables
            )
            ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        if self._longest is not None and len(ids) > self._longest:
            raise self._unusable(
                f"reads {self._longest} tokens, and prompt and answer of "
                f"{batch.rows[at] or 'a row'} have {len(ids)}",
                "lower algorithm.max_completion_length, or name a model that reads more",
            )
        return ids

    def _scores(self, tokens: list[list[int]]) -> list[float]:
        import torch

        inputs = self._tokenizer.pad(
            {"input_ids": tokens}, padding_side="right", return_tensors="pt"
        ).to(self._model.device)
        with torch.inference_mode():
            logits = self._model(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            ).logits
        scores: list[float] = logits[:, 0].float().tolist()
        return scores

    def _demand_one_label(self, model: ModelPlan) -> None:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(model.name_or_path, **_source(model))
        kinds = config.architectures or []
        if kinds and not any(kind.endswith("ForSequenceClassification") for kind in kinds):
            raise self._unusable(f"is a {kinds[0]}, which has no head that gives one number")
        if config.num_labels != 1:
            raise self._unusable(f"has {config.num_labels} labels, and a reward model has one")

    def _unusable(self, words: str, help_text: str = _HELP) -> Exception:
        return fault(
            codes.JUDGE_UNUSABLE, self._plan.recipe_path, f"{self._name} {words}", help_text
        )


def _source(model: ModelPlan) -> dict[str, Any]:
    """Where its files are from; code among them is not run, and nobody is asked whether it may."""
    return {"revision": model.load.get("revision"), "trust_remote_code": False}
