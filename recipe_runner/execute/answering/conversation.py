"""A conversation with what a run made: history, system turn, adapter on or off.

Shows nothing and reads nothing: text goes to a function of the caller.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from recipe_runner.execute.answering.decoding import (
    Sampling,
    answer_ids,
    for_generation,
    generation_config,
)
from recipe_runner.execute.answering.prompt import (
    Message,
    Room,
    prompt_ids,
    text_ids,
    without_oldest,
)
from recipe_runner.execute.answering.sides import Sides
from recipe_runner.execute.answering.stream import Stop, TextStream


@dataclass(frozen=True)
class Reply:
    """An answer, its tokens and its seconds; `stopped` where it was told to stop.

    `left_out` counts the turns at the start of the conversation that it does not know of, for
    want of room. `cut` is True where it reached the limit of new tokens.
    """

    text: str
    tokens: int
    seconds: float
    stopped: bool
    cut: bool
    left_out: int


class TooLong(Exception):
    """A prompt alone is longer than what the model reads."""

    def __init__(self, tokens: int, room: int) -> None:
        super().__init__(f"the prompt has {tokens:,} tokens, and there is room for {room:,}")


@dataclass
class Conversation:
    """Turns so far, and who answers the next: what the run made, or with `adapted` False its base.

    With `raw` a prompt is continued as it is, without chat template and history.
    """

    sides: Sides
    sampling: Sampling
    raw: bool = False
    adapted: bool = True
    system: str | None = None
    turns: list[Message] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)

    def ask(self, question: str, show: Callable[[str], None]) -> Reply:
        """Answer, and keep question and answer; `show` gets the text as it comes.

        Raises `TooLong` and `PromptRefused`, and keeps nothing then.
        """
        reply = self.answer([*self.turns, {"role": "user", "content": question}], show)
        if not self.raw:
            self.turns += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": reply.text},
            ]
        return reply

    def answer(self, turns: list[Message], show: Callable[[str], None]) -> Reply:
        """Answer the last of `turns`, and keep nothing."""
        from transformers import StoppingCriteriaList

        with self.sides.using(adapted=self.adapted) as loaded:
            model, tokenizer = loaded.model, loaded.tokenizer
            ids, left_out = self._fitted(loaded, turns)
            config = generation_config(model, tokenizer, self.sampling)
            config.max_new_tokens = Room.of(model).for_answer(self.sampling.max_new_tokens)
            self._draw_alike(len(turns))
            stream = TextStream(tokenizer, show)
            self.stop.asked = False
            started = time.monotonic()
            with for_generation(model):
                (made,) = answer_ids(
                    model,
                    [ids],
                    config,
                    streamer=stream,
                    stopping_criteria=StoppingCriteriaList([self.stop]),
                )
            stopped, ends = self.stop.asked, config.eos_token_id or ()
            return Reply(
                text=str(tokenizer.decode(made, skip_special_tokens=True)),
                tokens=len(made),
                seconds=time.monotonic() - started,
                stopped=stopped,
                cut=not stopped and made[-1:] != [] and made[-1] not in ends,
                left_out=left_out,
            )

    def _fitted(self, loaded: Any, turns: list[Message]) -> tuple[list[int], int]:
        """The tokens of the newest turns that fit, and how many turns do not."""
        room = Room.of(loaded.model).for_prompt(self.sampling.max_new_tokens)
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        kept: list[Message] = [*system, *turns]
        while True:
            if self.raw:
                ids = text_ids(loaded.tokenizer, str(turns[-1]["content"]))
            else:
                ids = prompt_ids(loaded.tokenizer, kept, loaded.chat_template_kwargs)
            if room is None or len(ids) <= room:
                return ids, len(system) + len(turns) - len(kept)
            shorter = None if self.raw else without_oldest(kept)
            if shorter is None:
                raise TooLong(len(ids), room)
            kept = shorter

    def _draw_alike(self, turns: int) -> None:
        """Seed for this place in the conversation: both sides draw alike, each turn anew."""
        from transformers import set_seed

        if self.sampling.temperature > 0:
            set_seed(self.sampling.seed + turns)
