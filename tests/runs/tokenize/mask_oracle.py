"""What should train, found without the code under test: by rendering a conversation in variants.

Nothing of `recipe_runner` is imported here. An answer's place is what stays around it when
its content is replaced; its beginning is where the prompt for it ends; its end is the
closing marker of its template, which is written down by hand in `CLOSERS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Span = tuple[int, int]

# Plain letters, which no template trims or escapes, and that share no end with each other.
_STAND_INS = ("QaaStandInaaQ", "XbbStandInbbX")
_OPEN, _SHUT = "\ue000", "\ue001"


class Refused(Exception):
    """The template refuses the conversation."""


@dataclass(frozen=True)
class Renderer:
    """One template with its tokenizer."""

    tokenizer: Any
    kwargs: Mapping[str, Any]
    tools: Sequence[Any] | None = None

    def __call__(
        self, messages: Sequence[Any], *, prompt: bool = False, template: str | None = None
    ) -> str:
        from jinja2 import TemplateError

        if not messages:
            return ""
        try:
            text: str = self.tokenizer.apply_chat_template(
                list(messages),
                tools=None if self.tools is None else list(self.tools),
                chat_template=template,
                add_generation_prompt=prompt,
                tokenize=False,
                **self.kwargs,
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise Refused(str(error)) from error
        return text


def trained_spans(
    render: Renderer, messages: Sequence[Mapping[str, Any]], closers: Sequence[str]
) -> list[Span] | None:
    """The characters of the rendered conversation that the assistant wrote.

    None where the variants do not show them: then nothing sure can be said.
    """
    source = render.tokenizer.chat_template
    if re.search(r"\{%-?\s*generation", source):
        return _marked(render, messages, source)
    text = render(messages)
    spans = []
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            try:
                span = _turn(render, messages, text, place, closers)
            except Refused:  # a variant that the oracle needs
                return None
            if span is None:
                return None
            spans.append(span)
    return spans


def content_spans(
    render: Renderer, messages: Sequence[Mapping[str, Any]], role: str
) -> list[Span] | None:
    """The characters that the contents of a role are written as; None where that is not shown."""
    text = render(messages)
    spans = []
    for place, message in enumerate(messages):
        if message["role"] != role:
            continue
        try:
            first, second = (
                render(_with_content(messages, place, stand_in)) for stand_in in _STAND_INS
            )
        except Refused:
            return None
        before, _, after = first.partition(_STAND_INS[0])
        if second != before + _STAND_INS[1] + after or _STAND_INS[0] in after:
            return None
        end = len(text) - len(after)
        if not (text.startswith(before) and text.endswith(after) and len(before) <= end):
            return None
        spans.append((len(before), end))
    return spans


def _marked(render: Renderer, messages: Sequence[Any], source: str) -> list[Span]:
    """What a template's own markers hold: they are made to write a character each."""

    def written(mark: str, name: str, template: str) -> str:
        # `if` and `endif` keep the white space control of the tags they stand for.
        pattern = rf"\{{%(-?)\s*{name}\s*(-?)%\}}"
        shown = rf"{{%\1 if true %}}{{{{ '{mark}' }}}}{{% endif \2%}}"
        return re.sub(pattern, shown, template)

    shown = written(_SHUT, "endgeneration", written(_OPEN, "generation", source))
    marked = render(messages, template=shown)
    spans = []
    position, begin = 0, None
    for character in marked:
        if character == _OPEN:
            begin = position
        elif character == _SHUT:
            assert begin is not None
            spans.append((begin, position))
            begin = None
        else:
            position += 1
    assert marked.replace(_OPEN, "").replace(_SHUT, "") == render(messages)
    return spans


def _turn(
    render: Renderer, messages: Sequence[Any], text: str, place: int, closers: Sequence[str]
) -> Span | None:
    message = messages[place]
    one, other = (_with_content(messages, place, stand_in) for stand_in in _STAND_INS)
    first, second = render(one), render(other)
    if first.count(_STAND_INS[0]) != 1:
        return _calls_only(render, messages, text, place, closers)
    before, after = first.split(_STAND_INS[0])
    if second != before + _STAND_INS[1] + after:
        return None
    if not text.endswith(after):
        return _calls_only(render, messages, text, place, closers)
    content_end = len(text) - len(after)
    begin = _begin(render, messages[:place], text, before, (first, second))
    if begin is not None and begin > content_end:
        return _calls_only(render, messages, text, place, closers)
    if begin is None:
        return None
    plain = {key: value for key, value in message.items() if key != "tool_calls"}
    if render([*messages[:place], plain, *messages[place + 1 :]]) != text:
        tail = render(one[: place + 1]).split(_STAND_INS[0])[-1].rstrip()
        return (begin, content_end + len(tail)) if after.startswith(tail) else None
    found = next((closer for closer in closers if after.startswith(closer)), None)
    return None if found is None else (begin, content_end + len(found))


def _begin(
    render: Renderer, earlier: Sequence[Any], text: str, before: str, variants: tuple[str, str]
) -> int | None:
    try:
        base, prompted = render(earlier), render(earlier, prompt=True)
    except Refused:
        base = prompted = ""
    if prompted != base and text.startswith(prompted):
        return len(prompted)
    question = [{"role": "user", "content": "x"}]
    header = prompted[len(base) :] if prompted.startswith(base) else ""
    if not header:
        header = render(question, prompt=True)[len(render(question)) :]
    if not header or not earlier:
        whole = before.rfind(header) + len(header) if header and header in before else len(before)
        return whole if text.startswith(before[:whole]) else None
    # The header stands behind what the messages before it are rendered as.
    place = before.rfind(header, _shared(base, before))
    if place >= 0:
        end = place + len(header)
        return end if text.startswith(before[:end]) else None
    if header.partition("\n")[0] not in before[_shared(base, before) :]:
        # The turn has no header: the model goes on, as after a call.
        return len(before) if text.startswith(before) else None
    # The turn parts from the prompt within the prompt's header, which is whole lines.
    shared = min(_shared(prompted, each) for each in (text, *variants))
    line = prompted.rfind("\n", 0, shared) + 1
    if line > len(base):
        return line
    return len(before) if text.startswith(before) else None


def _calls_only(
    render: Renderer, messages: Sequence[Any], text: str, place: int, closers: Sequence[str]
) -> Span | None:
    """A turn whose content is not written: all between the prompt and what follows the turn."""
    message = messages[place]
    if not message.get("tool_calls"):
        return None
    prompted = render(messages[:place], prompt=True)
    closed = render(messages[: place + 1]).rstrip()
    if text.startswith(prompted) and text.startswith(closed) and len(closed) > len(prompted):
        return len(prompted), len(closed)
    return _before_the_next(render, messages, text, place, closers)


def _before_the_next(
    render: Renderer, messages: Sequence[Any], text: str, place: int, closers: Sequence[str]
) -> Span | None:
    """A turn that ends where the text between it and the next message's content begins."""
    if place + 1 >= len(messages):
        return None
    one, other = _STAND_INS
    following = messages[place + 1]
    probe = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": one},
        {**following, "content": other},
    ]
    gap = render(probe).split(one)[-1].split(other)[0]
    pre = render(_with_content(messages, place + 1, other)).split(other)[0]
    closer = next((closer for closer in closers if gap.startswith(closer)), None)
    if closer is None or not text.startswith(pre) or not pre.endswith(gap):
        return None
    prompted = render(messages[:place], prompt=True)
    if not text.startswith(prompted):
        # The prompt goes on with a thought where the turn has none.
        prompted = prompted[: prompted.rfind("\n", 0, _shared(prompted, text)) + 1]
    return len(prompted), len(pre) - len(gap) + len(closer)


def _with_content(messages: Sequence[Any], place: int, content: str) -> list[Any]:
    message = dict(messages[place])
    if isinstance(message.get("content"), list):
        message["content"] = [{"type": "text", "text": content}]
    else:
        message["content"] = content
    return [*messages[:place], message, *messages[place + 1 :]]


def _shared(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
