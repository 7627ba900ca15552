"""Carries labels from the tokens of a text to those of the same text with its images in it.

A template writes one placeholder for an image, and the processor puts as many tokens in
its place as the image takes, some with row and column marks or line breaks around them.
All other tokens are the same, and that is demanded, not assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipe_runner.rows import RowProblem

_LENIENT = 2
"""White space tokens beside an image that may merge with the line breaks around it (Gemma 3)."""


@dataclass(frozen=True)
class ImageTokens:
    """What images look like in tokens.

    `placeholder` stands for an image in the template's text, `fill` are the ids that an
    image is filled with, `marks` all ids that may stand around those: special tokens and
    white space. `blank` are the ids of white space.
    """

    placeholder: int
    fill: frozenset[int]
    marks: frozenset[int]
    blank: frozenset[int]


def origins(
    plain: Sequence[int],
    whole: Sequence[int],
    images: int,
    tokens: ImageTokens,
) -> list[int | None]:
    """For each token of `whole`, its place in `plain`; None for what an image brought.

    `plain` has one placeholder for each of `images`. Raises
    `RowProblem("image-tokens-unaligned")` where a token of `plain` is not found again,
    other than white space beside an image: it may merge with the line breaks around that,
    and is the image's from then on.
    """
    pieces = _pieces(plain, tokens.placeholder)
    if len(pieces) - 1 != images:
        raise _unaligned(
            f"has {_counted(images, 'image')}, and its text has {_counted(len(pieces) - 1, 'place')}"
        )
    found: list[int | None] = [None] * len(whole)
    position = 0
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        cores = [piece]
        if number or not last:
            cores = _cores(piece, plain, tokens, first=number == 0, last=last)
        for core in cores:
            begin = _find(plain[core.start : core.stop], whole, position, tokens, number > 0, last)
            if begin is not None:
                break
        else:
            words = "before the first image" if not number else f"after image {number}"
            raise _unaligned(
                f"has tokens {words} that the processor writes otherwise beside the image"
            )
        for place in core:
            found[begin + place - core.start] = place
        position = begin + len(core)
    return found


def _pieces(plain: Sequence[int], placeholder: int) -> list[range]:
    places = [place for place, token in enumerate(plain) if token == placeholder]
    starts, stops = [0, *(place + 1 for place in places)], [*places, len(plain)]
    return [range(start, stop) for start, stop in zip(starts, stops, strict=True)]


def _cores(
    piece: range,
    plain: Sequence[int],
    tokens: ImageTokens,
    *,
    first: bool,
    last: bool,
) -> list[range]:
    """The piece, and the piece with less and less of the white space beside its images."""

    def spare(places: range) -> int:
        count = 0
        for place in places[:_LENIENT]:
            if plain[place] not in tokens.blank:
                break
            count += 1
        return count

    before = 0 if first else spare(piece)
    after = 0 if last else spare(piece[::-1])
    found = [
        range(piece.start + a, piece.stop - b)
        for a in range(before + 1)
        for b in range(after + 1)
        if a + b <= len(piece)
    ]
    return sorted(found, key=len, reverse=True)


def _find(
    core: Sequence[int],
    whole: Sequence[int],
    position: int,
    tokens: ImageTokens,
    after_image: bool,
    last: bool,
) -> int | None:
    """Where `core` begins in `whole`, from `position` on and behind an image where it follows one.

    The first place is the right one: what an image brings holds no text.
    """
    core, begin, filled = list(core), position, not after_image
    while begin + len(core) <= len(whole):
        here = list(whole[begin : begin + len(core)]) == core
        if filled and here and (not last or begin + len(core) == len(whole)):
            return begin
        if not after_image or begin == len(whole) or whole[begin] not in tokens.marks:
            return None
        filled = filled or whole[begin] in tokens.fill
        begin += 1
    return None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _unaligned(words: str) -> RowProblem:
    return RowProblem("image-tokens-unaligned", words)
