"""The right answer, word for word."""

from typing import ClassVar, Literal

from recipe_runner.components.reward import Answer, Comparison


class ExactMatch(Comparison):
    """1 for the text in a column of the row, 0 for any other.

    Use it where there is one right text: a word, a choice such as `B`, a name. For numbers
    `number_match` is the better choice, for formulas `math_verify`. With `extract`, the model may
    think aloud before its answer.
    """

    type: Literal["exact_match"]
    ignore_case: bool = False
    """Take capital and small letters for the same."""
    strip: bool = True
    """Leave out white space around both texts."""

    snippet: ClassVar[str] = "rewards: {type: exact_match, column: answer}"

    def judge(self, answer: Answer) -> float:
        expected = [self._plain(text) for text in answer.texts(self.column)]
        said = self.said(answer)
        return float(said is not None and self._plain(said) in expected)

    def _plain(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text
