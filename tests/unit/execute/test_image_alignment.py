"""Labels go from the tokens of a text to those of the text with its images, or the row is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe_runner.execute.vision.align import ImageTokens, origins
from recipe_runner.rows import RowProblem

PLACE, FILL, ROW, LINE, BREAK = 0, 1, 2, 3, 4
TOKENS = ImageTokens(
    placeholder=PLACE,
    fill=frozenset({FILL}),
    marks=frozenset({PLACE, FILL, ROW, LINE, BREAK}),
    blank=frozenset({LINE, BREAK}),
)
"""5 and above are words; 3 and 4 are white space, 2 marks a row of an image."""

words = st.lists(st.integers(LINE, 9), max_size=6)
image = st.lists(st.sampled_from([FILL, ROW, LINE]), max_size=4).map(lambda more: [FILL, *more])


@given(st.lists(st.tuples(words, image), max_size=4), words)
def test_every_word_is_found_again_in_its_place(
    parts: list[tuple[list[int], list[int]]], tail: list[int]
) -> None:
    plain = [token for text, _ in parts for token in (*text, PLACE)] + tail
    whole = [token for text, brought in parts for token in (*text, *brought)] + tail
    places = origins(plain, whole, len(parts), TOKENS)
    assert all(
        place is None or plain[place] == token for place, token in zip(places, whole, strict=True)
    )
    found = [place for place in places if place is not None]
    assert found == sorted(found)
    # White space and the marks of an image may be confused with each other, words may not.
    assert [plain[place] for place in found if plain[place] > BREAK] == [
        token for token in plain if token > BREAK
    ]


CASES = {
    "one token for many": ([5, PLACE, 6], [5, FILL, FILL, 6], [0, None, None, 2]),
    "next to each other": ([PLACE, PLACE, 6], [FILL, FILL, 6], [None, None, 2]),
    "rows": ([5, PLACE, 6], [5, ROW, FILL, LINE, ROW, FILL, 6], [0, *[None] * 5, 2]),
    "merged white space": (
        [5, LINE, PLACE, 6],
        [5, BREAK, FILL, BREAK, 6],
        [0, None, None, None, 3],
    ),
    "no image": ([5, 6], [5, 6], [0, 1]),
}


@pytest.mark.parametrize("name", CASES)
def test_origins_are_known(name: str) -> None:
    plain, whole, expected = CASES[name]
    assert origins(plain, whole, plain.count(PLACE), TOKENS) == expected


REFUSED = {
    "a place too many": ([5, PLACE, PLACE], [5, FILL, FILL], 1),
    "a place too few": ([5, PLACE], [5, FILL, FILL], 2),
    "another word before": ([5, PLACE, 6], [7, FILL, 6], 1),
    "another word behind": ([5, PLACE, 6], [5, FILL, 7], 1),
    "a word more": ([5, PLACE, 6], [5, FILL, 7, 6], 1),
    "words behind the end": ([5, PLACE, 6], [5, FILL, 6, 7], 1),
    "nothing in the place": ([5, PLACE, 6], [5, 6], 1),
    "another text": ([5, 6], [5, 7], 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name: str) -> None:
    plain, whole, images = REFUSED[name]
    with pytest.raises(RowProblem) as raised:
        origins(plain, whole, images, TOKENS)
    assert raised.value.reason == "image-tokens-unaligned"
