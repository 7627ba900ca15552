"""Components from words: an option that nobody has read about ends the generation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recipe_runner.devtools import adapter_components
from recipe_runner.devtools.adapter_words import METHODS
from recipe_runner.devtools.worded import Word, WordlessError, written

VERA = next(method for method in METHODS if method.type == "vera")


def test_an_option_without_words_ends_it() -> None:
    wordless = replace(VERA, options={n: w for n, w in VERA.options.items() if n != "vera_dropout"})
    with pytest.raises(WordlessError, match=r"peft\.VeraConfig\.vera_dropout"):
        written(adapter_components.AXIS, [wordless])


def test_words_for_an_option_that_is_not_there_end_it() -> None:
    more = replace(VERA, options={**VERA.options, "vera_colour": Word("str", "Its colour.")})
    with pytest.raises(WordlessError, match="has no vera_colour"):
        written(adapter_components.AXIS, [more])
