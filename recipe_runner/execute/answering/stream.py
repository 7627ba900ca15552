"""Text as its tokens come, and an end to it when a person has seen enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_UNFINISHED = "\ufffd"
"""What a decoder writes for bytes that are no character yet."""


class TextStream:
    """Passes the text of an answer on as far as it is certain, token by token.

    A character may take several tokens, and how a token reads may depend on the one before it.
    So the tokens since the last certain text are decoded together, once without and once with
    those after it, and the difference is passed on.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, show: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer
        self._show = show
        self._ids: list[int] = []
        self._start = self._told = 0
        self._is_prompt = True

    @property
    def ids(self) -> list[int]:
        """The tokens of the answer so far."""
        return self._ids

    def put(self, value: Any) -> None:
        """Take what `generate` hands over: the prompt first, then one token at a time."""
        if self._is_prompt:
            self._is_prompt = False
            return
        self._ids += [int(token) for token in value.flatten().tolist()]
        certain, text = self._since()
        if not text.endswith(_UNFINISHED) and len(text) > len(certain):
            self._show(text[len(certain) :])
            self._start, self._told = self._told, len(self._ids)

    def end(self) -> None:
        """Pass on what is left, where the answer ends inside a character too."""
        certain, text = self._since()
        if len(text) > len(certain):
            self._show(text[len(certain) :])
        self._start = self._told = len(self._ids)

    def _since(self) -> tuple[str, str]:
        return self._decoded(self._start, self._told), self._decoded(self._start, len(self._ids))

    def _decoded(self, start: int, end: int) -> str:
        text = self._tokenizer.decode(self._ids[start:end], skip_special_tokens=True)
        return str(text)


class Stop:
    """Ends a generation after the token at hand, once `asked`."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        del scores
        return torch.full((input_ids.shape[0],), self.asked, device=input_ids.device)
