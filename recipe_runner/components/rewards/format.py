"""Tags around the parts of an answer."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, Strict

from recipe_runner.components.reward import Answer, Reward, unusable


def _different(tags: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(tags)) < len(tags):
        raise unusable("names a tag twice, and each has to be there once")
    return tags


Tag = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.-]*$")]
Tags = Annotated[tuple[Tag, ...], Strict(False), Field(min_length=1), AfterValidator(_different)]


class Format(Reward):
    """1 for an answer whose parts stand in tags, each once and in order, else 0.

    Use it beside a reward for the right answer, with a smaller weight, to teach
    `<think>...</think><answer>...</answer>`: the answer can then be found with `extract`. What
    is in the tags does not matter; outside of them there may be white space only, unless
    `outside` allows more. With `partial`, an answer earns the fraction of its parts that are
    right, which teaches a format that a model hardly ever hits by chance.
    """

    type: Literal["format"]
    tags: Tags = ("think", "answer")
    """Names of the tags, in their order."""
    outside: bool = False
    """Let text stand outside of the tags."""
    partial: bool = False
    """Give a fraction for each tag that is there once, closed and in its place, and for nothing outside."""

    snippet: ClassVar[str] = "rewards: {type: format, tags: [think, answer], weight: 0.2}"

    def judge(self, answer: Answer) -> float:
        spans = [_span(answer.text, tag) for tag in self.tags]
        good = list(_in_order(spans))
        whole = len(good) == len(self.tags)
        bare = whole and not any(gap.strip() for gap in _gaps(answer.text, good))
        if not self.partial:
            return float(whole and (self.outside or bare))
        if self.outside:
            return len(good) / len(self.tags)
        return (len(good) + bare) / (len(self.tags) + 1)


def _span(text: str, tag: str) -> tuple[int, int] | None:
    """Where a tag begins and ends, None where it is not there once and closed."""
    opened, closed = f"<{tag}>", f"</{tag}>"
    if text.count(opened) != 1 or text.count(closed) != 1:
        return None
    start, end = text.index(opened), text.index(closed)
    return (start, end + len(closed)) if start < end else None


def _in_order(spans: list[tuple[int, int] | None]) -> Iterator[tuple[int, int]]:
    last = 0
    for span in spans:
        if span is not None and span[0] >= last:
            last = span[1]
            yield span


def _gaps(text: str, spans: list[tuple[int, int]]) -> Iterator[str]:
    last = 0
    for start, end in spans:
        yield text[last:start]
        last = end
    yield text[last:]
