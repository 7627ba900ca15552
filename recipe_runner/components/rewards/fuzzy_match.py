"""How near an answer comes to the right one."""

from difflib import SequenceMatcher
from typing import ClassVar, Literal

from recipe_runner.components.reward import Answer, Comparison, in_time

_LONGEST = 2000
"""Characters of a text that are compared."""


class FuzzyMatch(Comparison):
    """From 0 to 1: how similar the answer is to the text in a column of the row.

    Use it where an answer that is nearly right is better than one that is not: names,
    transcripts, early training where hardly any answer is right. The similarity is twice the
    number of characters in matching pieces over the characters of both texts
    (`difflib.SequenceMatcher.ratio`). Only the first 2,000 characters of each text count: two
    such texts take about a second, and the time grows faster than the product of their lengths.
    Texts that take more than five seconds end the run with the answer's row.
    """

    type: Literal["fuzzy_match"]
    ignore_case: bool = True
    """Take capital and small letters for the same."""
    strip: bool = True
    """Leave out white space around both texts."""

    snippet: ClassVar[str] = "rewards: {type: fuzzy_match, column: answer}"

    def judge(self, answer: Answer) -> float:
        expected = [self._plain(text) for text in answer.texts(self.column)]
        said = self.said(answer)
        if said is None:
            return 0.0
        matcher = SequenceMatcher(None, autojunk=False)
        similar = []
        with in_time("the comparison", said):
            # Kept by the matcher for all texts of the column.
            matcher.set_seq2(self._plain(said)[:_LONGEST])
            for text in expected:
                matcher.set_seq1(text[:_LONGEST])
                similar.append(matcher.ratio())
        return max(similar)

    def _plain(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text
