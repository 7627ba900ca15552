"""What each reward says of answers; the expected values are worked out by hand."""

from __future__ import annotations

import hashlib
import json
import math
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from recipe_runner.components import clock
from recipe_runner.components.base import create, discover
from recipe_runner.components.other_model import OtherModel
from recipe_runner.components.reward import Answer, Reward, RewardError
from recipe_runner.syntax import parse
from tests.workshop import Workshop, recipe, workshop

PACKAGE = "recipe_runner.components.rewards"
KINDS = discover(PACKAGE)


def reward(type_: str, **options: Any) -> Reward:
    made: Reward = create(PACKAGE, {"type": type_, **options})
    return made


def worth(
    type_: str,
    text: str,
    options: Mapping[str, Any],
    row: Mapping[str, Any] | None = None,
    token_ids: Sequence[int] = (),
) -> float:
    value = reward(type_, **options).judge(Answer(text, "2 + 2 =", row or {}, token_ids))
    assert isinstance(value, float)
    assert math.isfinite(value)
    return value


EXACT = [
    ("the same", "Mars", "Mars", {}, 1.0),
    ("another", "Venus", "Mars", {}, 0.0),
    ("white space around", " Mars\n", "Mars", {}, 1.0),
    ("white space that counts", " Mars", "Mars", {"strip": False}, 0.0),
    ("case that counts", "mars", "Mars", {}, 0.0),
    ("case that does not", "mars", "Mars", {"ignore_case": True}, 1.0),
    ("sharp s in capitals", "STRASSE", "straße", {"ignore_case": True}, 1.0),
    ("more than the answer", "It is Mars.", "Mars", {}, 0.0),
    ("any of a list", "Red Planet", ["Mars", "Red Planet"], {}, 1.0),
    ("none of a list", "Venus", ["Mars", "Red Planet"], {}, 0.0),
    ("a number in the column", "4", 4, {}, 1.0),
    ("a truth value in the column", "true", True, {}, 1.0),
    ("nothing", "", "Mars", {}, 0.0),
    ("nothing where nothing is right", " ", "", {}, 1.0),
    ("a group", "I think: <a>Mars</a>", "Mars", {"extract": "<a>(.*?)</a>"}, 1.0),
    ("the last match", "<a>Venus</a> no, <a>Mars</a>", "Mars", {"extract": "<a>(.*?)</a>"}, 1.0),
    ("no match", "Mars", "Mars", {"extract": "<a>(.*?)</a>"}, 0.0),
    ("no group", "choice: B.", "B", {"extract": "[A-D]"}, 1.0),
    ("a group that took no part", "x", "x", {"extract": "x|(y)"}, 0.0),
    ("over lines", "<a>Ma\nrs</a>", "Ma\nrs", {"extract": "(?s)<a>(.*?)</a>"}, 1.0),
]


@pytest.mark.parametrize(
    ("text", "right", "options", "expected"), [c[1:] for c in EXACT], ids=[c[0] for c in EXACT]
)
def test_exact_match(text: str, right: Any, options: dict[str, Any], expected: float) -> None:
    assert worth("exact_match", text, options, {"answer": right}) == expected


FUZZY = [
    # 2 M / T: of "abcd" and "bcde" three characters match in order, 2 * 3 / 8.
    ("three of four", "abcd", "bcde", {}, 0.75),
    ("the same", "Mars", "mars ", {}, 1.0),
    ("case that counts", "mars", "Mars", {"ignore_case": False}, 0.75),
    ("nothing in common", "abc", "xyz", {}, 0.0),
    ("nothing said", "", "Mars", {}, 0.0),
    ("both empty", "", "", {}, 1.0),
    ("the nearest of a list", "abcd", ["xyz", "bcde", "a"], {}, 0.75),
    ("a part", "say: abcd!", "bcde", {"extract": "say: (.*)!"}, 0.75),
    ("no part", "abcd", "abcd", {"extract": "say: (.*)!"}, 0.0),
    # difflib's own short cut takes characters that are frequent in long texts for noise.
    ("a long text", "a" * 300, "a" * 300 + "b" * 300, {}, 2 * 300 / 900),
]


@pytest.mark.parametrize(
    ("text", "right", "options", "expected"), [c[1:] for c in FUZZY], ids=[c[0] for c in FUZZY]
)
def test_fuzzy_match(text: str, right: Any, options: dict[str, Any], expected: float) -> None:
    assert worth("fuzzy_match", text, options, {"answer": right}) == pytest.approx(expected)


NUMBERS = [
    # What the model wrote, what is right, whether it is.
    ("42", 42, True),
    ("The answer is 42.", 42, True),
    ("The answer is 42!", 42, True),
    ("43", 42, False),
    ("first 42, then 43", 42, False),
    ("no number", 42, False),
    ("", 42, False),
    ("1,234", 1234, True),
    ("1,234,567.5 dollars", 1234567.5, True),
    ("1,23", 1, False),
    (r"1{,}234", 1234, True),
    (r"1\,234", 1234, True),
    ("$1,234.00", 1234, True),
    ("1e3", 1000, True),
    ("1.5E-2", 0.015, True),
    (r"1.5 \times 10^{3}", 1500, True),
    ("1.5 x 10^3", 1500, True),
    ("2·10^-2", 0.02, True),
    ("-5", -5, True),
    ("−5", -5, True),
    ("x = -5", -5, True),
    ("it is (-5)", -5, True),
    ("+5", 5, True),
    ("10-5", 5, True),
    ("3 - 5", 5, True),
    ("-5", 5, False),
    (".5", 0.5, True),
    ("0.50", 0.5, True),
    ("42.", 42, True),
    ("1/2", 0.5, True),
    ("1 / 2", 0.5, True),
    ("-3/4", -0.75, True),
    ("1 1/2", 1.5, True),
    ("10/0", 10, False),
    ("12/05/2024", 2024, True),
    (r"\frac{1}{2}", 0.5, True),
    (r"\dfrac{ 3 }{ 4 }", 0.75, True),
    (r"-\frac{1}{4}", -0.25, True),
    (r"\frac{-1}{4}", -0.25, True),
    (r"\frac12", 0.5, True),
    (r"$\frac{1{,}000}{2}$", 500, True),
    ("50%", 50, True),
    (r"50\%", 50, True),
    ("50 %", "50%", True),
    (r"\boxed{7} as shown in step 3", 7, True),
    (r"\boxed{6} no, \boxed{7}", 7, True),
    (r"\boxed{x = \frac{1}{2}} 9", 0.5, True),
    (r"\boxed {7} 9", 7, True),
    (r"\fbox{7} 9", 7, True),
    (r"9 \boxed{}", 9, False),
    (r"9 \boxed{7", 7, True),
    ("5km", 5, True),
    ("x2", 2, False),
    ("7 and x2", 7, True),
    ("1.2.3", 1.2, True),
    ("9" * 400, 9, False),
    ("1e999", 9, False),
    ("1e999 or 9", 9, True),
    ("42", "The sum is 42.", True),
    ("42", "20 + 22 = 42\n#### 42", True),
    ("0.3333333", "1/3", True),
    ("0.333", "1/3", False),
    ("42", [41, "42"], True),
    ("40", [41, "42"], False),
    ("3.0", 3, True),
]


@pytest.mark.parametrize(("text", "right", "same"), NUMBERS, ids=[f"{c[0][:20]}" for c in NUMBERS])
def test_number_match(text: str, right: Any, same: bool) -> None:
    assert worth("number_match", text, {}, {"answer": right}) == float(same)


@pytest.mark.parametrize(
    ("text", "tolerance", "expected"),
    [
        ("101", 0.01, 1.0),
        ("102", 0.01, 0.0),
        ("99", 0.01, 1.0),
        ("100.0001", 0.0, 0.0),
        ("100", 0.0, 1.0),
    ],
)
def test_tolerance_is_a_fraction_of_the_right_number(
    text: str, tolerance: float, expected: float
) -> None:
    assert worth("number_match", text, {"tolerance": tolerance}, {"answer": 100}) == expected


def test_tolerance_of_small_numbers_is_absolute() -> None:
    assert worth("number_match", "0.009", {"tolerance": 0.01}, {"answer": 0}) == 1.0
    assert worth("number_match", "0.011", {"tolerance": 0.01}, {"answer": 0}) == 0.0


BOXES = [
    (r"\boxed{1} and \boxed{2", 1),
    (r"\boxed{\boxed{1}} 5", 1),
    (r"\boxed{{1} 5", 5),
    (r"} \boxed{1} } 5", 1),
    (r"{ \boxed{1} 5", 1),
    (r"\boxed{3 \boxed{1} 5} 7", 1),
    (r"\boxed{3 {\boxed{1} 5} 7", 1),
]


@pytest.mark.parametrize(("text", "number"), BOXES)
def test_boxes_close_where_their_braces_do(text: str, number: int) -> None:
    assert worth("number_match", text, {}, {"answer": number}) == 1.0


HEAVY: Mapping[str, tuple[str, str, dict[str, Any], Any]] = {
    "boxes that stay open": ("number_match", r"\boxed{" * 50_000, {}, 1),
    "boxes in boxes": ("number_match", r"\boxed{" * 20_000 + "}" * 20_000, {}, 1),
    "a long text": ("fuzzy_match", "a" * 100_000, {}, "b" * 100_000),
}


@pytest.mark.parametrize(("kind", "text", "options", "right"), HEAVY.values(), ids=HEAVY)
def test_answers_that_go_on_and_on_are_judged_at_once(
    kind: str, text: str, options: dict[str, Any], right: Any
) -> None:
    began = time.process_time()
    assert worth(kind, text, options, {"answer": right}) == 0.0
    assert time.process_time() - began < 3.0


ENDLESS = "a" * 60 + "!"
# Each piece of one character is found with everything behind it still to be compared.
SLOW = "".join(f"a{chr(n)}" for n in range(1000, 2000))
SLOW_TOO = "".join(f"a{chr(n)}" for n in range(5000, 6000))
STALLING = {
    "a search": ("regex", ENDLESS, {"pattern": "^(a+)+$"}, "", "the pattern `^(a+)+$`"),
    "all of it": ("regex", ENDLESS, {"pattern": "(a+)+", "full": True}, "", "the pattern `(a+)+`"),
    "a part": ("exact_match", ENDLESS, {"extract": "(a+)+$"}, "a", "the pattern `(a+)+$`"),
    "pieces": ("fuzzy_match", SLOW, {}, SLOW_TOO, "the comparison"),
}


@pytest.mark.parametrize(
    ("kind", "text", "options", "right", "what"), STALLING.values(), ids=STALLING
)
def test_what_never_ends_is_ended(
    kind: str,
    text: str,
    options: dict[str, Any],
    right: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "SECONDS", 0.2)
    with pytest.raises(RewardError) as raised:
        worth(kind, text, options, {"answer": right})
    assert str(raised.value) == f"{what} takes more than 0.2 seconds on {len(text):,} characters"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_number_is_looked_for_in_what_is_extracted() -> None:
    options = {"extract": "#### (.*)"}
    assert worth("number_match", "7\n#### 42\nin 3 steps", options, {"answer": 42}) == 1.0


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("The answer is B.", {"pattern": "answer is [A-D]"}, 1.0),
        ("B", {"pattern": "answer is [A-D]"}, 0.0),
        ("so B.", {"pattern": "[A-D]", "full": True}, 0.0),
        ("B", {"pattern": "[A-D]", "full": True}, 1.0),
        ("sorry", {"pattern": "sorry", "reward": -1, "otherwise": 0.5}, -1.0),
        ("fine", {"pattern": "sorry", "reward": -1, "otherwise": 0.5}, 0.5),
        ("a\nb", {"pattern": "a.b"}, 0.0),
        ("a\nb", {"pattern": "(?s)a.b"}, 1.0),
        ("", {"pattern": "", "full": True}, 1.0),
    ],
)
def test_regex(text: str, options: dict[str, Any], expected: float) -> None:
    assert worth("regex", text, options) == expected


GOOD = "<think>2 and 2</think>\n<answer>4</answer>"
FORMATS = [
    ("both in order", GOOD, {}, 1.0),
    ("white space around", f"\n{GOOD} ", {}, 1.0),
    ("empty tags", "<think></think><answer></answer>", {}, 1.0),
    ("text before", f"Well. {GOOD}", {}, 0.0),
    ("text between", "<think>x</think> so <answer>4</answer>", {}, 0.0),
    ("text behind", f"{GOOD} Yes.", {}, 0.0),
    ("text that may be there", f"Well. {GOOD} Yes.", {"outside": True}, 1.0),
    ("one missing", "<answer>4</answer>", {}, 0.0),
    ("not closed", "<think>x</think><answer>4", {}, 0.0),
    ("twice", f"{GOOD}<answer>4</answer>", {"outside": True}, 0.0),
    ("opened twice", "<think><think>x</think><answer>4</answer>", {}, 0.0),
    ("closed before it is opened", "</think>x<think><answer>4</answer>", {"outside": True}, 0.0),
    ("out of order", "<answer>4</answer><think>x</think>", {"outside": True}, 0.0),
    ("one in the other", "<think><answer>4</answer></think>", {}, 0.0),
    ("other tags", "<plan>x</plan>", {"tags": ["plan"]}, 1.0),
    ("a name that is more than a name", "<a.b>x</a.b>", {"tags": ["a.b"]}, 1.0),
    ("nothing", "", {}, 0.0),
    # Three parts: two tags, and nothing outside of them.
    ("all of three parts", GOOD, {"partial": True}, 1.0),
    ("one tag of three parts", "<answer>4</answer>", {"partial": True}, 1 / 3),
    ("both tags and text", f"Well. {GOOD}", {"partial": True}, 2 / 3),
    ("one in order", "<answer>4</answer><think>x</think>", {"partial": True}, 1 / 3),
    ("one of two parts", "<answer>4</answer>", {"partial": True, "outside": True}, 0.5),
    ("no part", "4", {"partial": True}, 0.0),
]


@pytest.mark.parametrize(
    ("text", "options", "expected"), [c[1:] for c in FORMATS], ids=[c[0] for c in FORMATS]
)
def test_format(text: str, options: dict[str, Any], expected: float) -> None:
    assert worth("format", text, options) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ('{"city": "Rome"}', {}, 1.0),
        (" [1, 2.5, null] ", {}, 1.0),
        ("1", {}, 1.0),
        ("{'city': 'Rome'}", {}, 0.0),
        ('{"city": "Rome"} as asked', {}, 0.0),
        ('{"city": "Rome",}', {}, 0.0),
        ("", {}, 0.0),
        ("NaN", {}, 0.0),
        ("[-Infinity]", {}, 0.0),
        ("[" * 100_000, {}, 0.0),
        ("```json\n[1]\n```", {}, 0.0),
        ("```json\n[1]\n```", {"fenced": True}, 1.0),
        ("Here:\n```\n[1]\n```\nDone.", {"fenced": True}, 1.0),
        ("```json\n[1\n```\nor\n```json\n[1]\n```", {"fenced": True}, 1.0),
        ("```json\n[1]\n```\nor\n```json\n[1\n```", {"fenced": True}, 0.0),
        ("[1]", {"fenced": True}, 1.0),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_json_valid(text: str, options: dict[str, Any], expected: float) -> None:
    assert worth("json_valid", text, options) == expected


CITY = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ('{"city": "Rome"}', {}, 1.0),
        ('{"city": 4}', {}, 0.0),
        ("{}", {}, 0.0),
        ("no JSON", {}, 0.0),
        ("{}", {"unfit": 0.25}, 0.25),
        ("no JSON", {"unfit": 0.25}, 0.0),
        ('```json\n{"city": "Rome"}\n```', {"fenced": True}, 1.0),
    ],
)
def test_json_schema(text: str, options: dict[str, Any], expected: float) -> None:
    pytest.importorskip("jsonschema")
    assert worth("json_schema", text, {"json_schema": CITY, **options}) == expected
    columns: dict[str, Any] = {"schema": CITY}
    assert worth("json_schema", text, {"json_schema": "schema", **options}, columns) == expected
    columns = {"schema": '{"type": "object", "required": ["city"]}'}
    assert worth("json_schema", "{}", {"json_schema": "schema"}, columns) == 0.0


def test_schema_of_an_older_draft_is_read_as_such() -> None:
    pytest.importorskip("jsonschema")
    # In draft 4, exclusiveMinimum is a truth value beside minimum; later it is a number.
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "minimum": 3,
        "exclusiveMinimum": True,
    }
    assert worth("json_schema", "3", {"json_schema": schema}) == 0.0
    assert worth("json_schema", "4", {"json_schema": schema}) == 1.0


def test_schema_that_is_none_is_told_before_the_first_answer() -> None:
    pytest.importorskip("jsonschema")
    made = reward("json_schema", json_schema={"type": "objct"})
    with pytest.raises(RewardError, match="`json_schema` is no JSON Schema: 'objct'"):
        made.prepare()


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{", "column `schema` holds no JSON"),
        ({"type": "objct"}, "column `schema` is no JSON Schema"),
        (4, "column `schema` holds a number"),
        ({"$ref": "https://example.org/city.json"}, "refers to `https://example.org/city.json`"),
        ({"$ref": "#/$defs/city"}, "refers to"),
        (None, "null in column `schema`"),
    ],
)
def test_schema_of_a_row_that_cannot_be_used_is_an_error(schema: Any, words: str) -> None:
    pytest.importorskip("jsonschema")
    with pytest.raises(RewardError, match=words.replace("$", r"\$")):
        worth("json_schema", "{}", {"json_schema": "schema"}, {"schema": schema})


LENGTHS = [
    ("inside", "a b c", {"min": 2, "max": 4}, 1.0),
    ("at the lower bound", "a b", {"min": 2, "max": 4}, 1.0),
    ("at the upper bound", "a b c d", {"min": 2, "max": 4}, 1.0),
    # One word short of 2, and it takes 2 to fall to 0.
    ("half too short", "a", {"min": 2, "max": 4}, 0.5),
    ("nothing", "", {"min": 2, "max": 4}, 0.0),
    # One word over 4, and it takes 4 to fall to 0.
    ("a little too long", "a b c d e", {"min": 2, "max": 4}, 0.75),
    ("twice too long", "a b c d e f g h", {"min": 2, "max": 4}, 0.0),
    ("much too long", "a " * 50, {"min": 2, "max": 4}, 0.0),
    ("steep", "a b c d e", {"max": 4, "falloff": 1}, 0.0),
    ("flat", "a b c d e", {"max": 4, "falloff": 10}, 0.9),
    ("no upper bound", "a " * 500, {"max": None}, 1.0),
    ("no answer at all", "", {"min": 0}, 1.0),
    ("on target", "a b c", {"target": 3}, 1.0),
    ("under target", "a b", {"target": 4}, 0.5),
    ("over target", "a b c", {"target": 2}, 0.5),
    ("characters", "abcd", {"unit": "characters", "max": 2}, 0.0),
    ("tokens", "abcd", {"unit": "tokens", "max": 4}, 0.5),
]


@pytest.mark.parametrize(
    ("text", "options", "expected"), [c[1:] for c in LENGTHS], ids=[c[0] for c in LENGTHS]
)
def test_length(text: str, options: dict[str, Any], expected: float) -> None:
    assert worth("length", text, options, token_ids=[1] * 6) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    # arXiv 2503.14476, equation 13, with L_max 100 and L_cache 20.
    [(0, 0.0), (80, 0.0), (81, -0.05), (90, -0.5), (100, -1.0), (101, -1.0), (500, -1.0)],
)
def test_soft_overlong(tokens: int, expected: float) -> None:
    options = {"max_completion_len": 100, "soft_punish_cache": 20}
    assert worth("soft_overlong", "", options, token_ids=[1] * tokens) == pytest.approx(expected)


def test_soft_overlong_without_a_slope_falls_at_once() -> None:
    options = {"max_completion_len": 100, "soft_punish_cache": 0}
    assert worth("soft_overlong", "", options, token_ids=[1] * 100) == 0.0
    assert worth("soft_overlong", "", options, token_ids=[1] * 101) == -1.0


@pytest.mark.parametrize(
    ("ids", "options", "expected"),
    [
        ([1, 2, 3, 4], {"ngram_size": 2}, 0.0),
        # (5 5) four times, of which one is different: 1 - 1/4.
        ([5, 5, 5, 5, 5], {"ngram_size": 2}, -0.75),
        ([5, 5, 5, 5, 5], {"ngram_size": 2, "max_penalty": -2.0}, -1.5),
        # 1 2, 2 1, 1 2: one of three is repeated.
        ([1, 2, 1, 2], {"ngram_size": 2}, -1 / 3),
        ([1, 1], {"ngram_size": 1}, -0.5),
        ([1, 2], {}, 0.0),
        ([], {}, 0.0),
        ([5, 5, 5, 5, 5], {"max_penalty": 0.0}, 0.0),
    ],
)
def test_repetition_of_tokens(ids: list[int], options: dict[str, Any], expected: float) -> None:
    assert worth("repetition", "", options, token_ids=ids) == pytest.approx(expected)


def test_repetition_of_words() -> None:
    options = {"unit": "words", "ngram_size": 2}
    assert worth("repetition", "so it is so  it is", options) == pytest.approx(-2 / 5)
    assert worth("repetition", "so it was", options) == 0.0


MATHS = [
    (r"so it is $\frac{1}{2}$", "1/2", True),
    ("0.5", r"\frac{1}{2}", True),
    (r"\boxed{x + 1}", "1+x", True),
    ("1 + x", "x + 1", True),
    ("$x + 2$", "x + 1", False),
    ("the set $\\{2, 1\\}$", r"\{1,2\}", True),
    ("$(1, 2]$", "(1,2]", True),
    ("$(1, 2)$", "(1,2]", False),
    (r"$\sqrt{8}$", r"2\sqrt{2}", True),
    ("1,234", "1234", True),
    ("The answer is 42.", "20 + 22 gives the sum, which is 42", True),
    ("no mathematics", "42", False),
    ("", "42", False),
    ("5", "x = 5", True),
]


@pytest.mark.parametrize(("text", "right", "same"), MATHS)
def test_math_verify(text: str, right: str, same: bool) -> None:
    pytest.importorskip("math_verify")
    assert worth("math_verify", text, {}, {"answer": right}) == float(same)


def test_math_verify_takes_any_of_a_list_and_a_part_of_the_answer() -> None:
    pytest.importorskip("math_verify")
    options = {"extract": "<a>(.*?)</a>"}
    row = {"answer": ["1/2", "x + 1"]}
    assert worth("math_verify", "$7$ <a>1 + x</a> $8$", options, row) == 1.0
    assert worth("math_verify", "1 + x", options, row) == 0.0


def test_math_verify_judges_in_other_threads() -> None:
    pytest.importorskip("math_verify")
    found: list[float] = []

    def work() -> None:
        found.append(worth("math_verify", "$0.5$", {}, {"answer": "1/2"}))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [1.0]


def test_math_verify_wants_mathematics_in_the_column() -> None:
    pytest.importorskip("math_verify")
    with pytest.raises(RewardError, match="`it depends on the weather` in column `answer`"):
        worth("math_verify", "42", {}, {"answer": "it depends on the weather"})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "the row has no column `right`; it has no columns"),
        ({"question": "?", "wrong": 4}, "no column `right`; it has `question`, `wrong`"),
        ({"right": None}, "the row has null in column `right`"),
        ({"right": []}, "the row has an empty list in column `right`"),
        ({"right": {"a": 1}}, "the row has a mapping in column `right`"),
    ],
)
@pytest.mark.parametrize("kind", ["exact_match", "fuzzy_match", "number_match", "math_verify"])
def test_column_that_cannot_be_compared_is_named(
    kind: str, row: Mapping[str, Any], words: str
) -> None:
    if kind == "math_verify":
        pytest.importorskip("math_verify")
    with pytest.raises(RewardError) as raised:
        worth(kind, "4", {"column": "right"}, row)
    assert words in str(raised.value)


@pytest.mark.parametrize("value", ["none of them", True, ["one", "two"]])
def test_column_without_a_number_is_named(value: Any) -> None:
    with pytest.raises(RewardError, match="in column `answer`, and no number"):
        worth("number_match", "4", {}, {"answer": value})


def test_columns_are_what_the_row_has_to_have() -> None:
    assert reward("exact_match", column="right").columns == ("right",)
    assert reward("accuracy").columns == ("solution",)
    assert reward("json_schema", json_schema="schema").columns == ("schema",)
    assert reward("json_schema", json_schema={}).columns == ()
    assert reward("length").columns == ()


REFUSED = [
    ("regex", {"pattern": "(a"}, "no regular expression: missing )"),
    ("regex", {"pattern": "a{99999999999}"}, "no regular expression"),
    ("exact_match", {"extract": "[a"}, "no regular expression"),
    ("exact_match", {"column": ""}, "at least 1 character"),
    ("number_match", {"tolerance": -1.0}, "greater than or equal to 0"),
    ("format", {"tags": []}, "at least 1 item"),
    ("format", {"tags": ["think", "think"]}, "names a tag twice"),
    ("format", {"tags": ["<think>"]}, "should match pattern"),
    ("length", {"min": 5, "max": 3}, "5"),
    ("length", {"target": 5, "min": 3}, "has a `target`, which stands alone, and `min` beside it"),
    ("length", {"target": 5, "max": None}, "and `max` beside it"),
    ("soft_overlong", {"max_completion_len": 10, "soft_punish_cache": 20}, "10"),
    ("repetition", {"max_penalty": 1.0}, "less than or equal to 0"),
    ("python", {"path": "a.py", "function": "a b"}, "should match pattern"),
    ("python", {"path": "a.py", "function": "f", "kwargs": {"prompts": 1}}, "has `prompts`"),
    ("json_schema", {"json_schema": ""}, "at least 1 character"),
    ("model", {}, "Field required"),
    ("exact_match", {"model": "org/judge"}, "Extra inputs"),
]


@pytest.mark.parametrize(("kind", "options", "words"), REFUSED)
def test_options_that_cannot_work_are_refused(
    kind: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        reward(kind, **options)
    assert words in str(raised.value)


def test_what_execute_loads_is_named() -> None:
    model = reward("model", model="org/judge").model
    assert isinstance(model, OtherModel)
    assert model.name_or_path == "org/judge"
    assert reward("length").model is None
    assert reward("python", path="judge.py", function="tone").code == ("judge.py", "tone")
    assert reward("length").code is None
    upstream = reward("reasoning_accuracy", column="right").upstream_function
    assert upstream is not None
    assert upstream.columns == {"solution": "right"}
    assert upstream.arguments == {"reasoning_delimiters": ["</think>"]}
    assert reward("length").upstream_function is None


REQUIRED: Mapping[str, Any] = {
    "path": "judge.py",
    "function": "tone",
    "model": "org/judge",
    "pattern": "a",
    "json_schema": {},
    "max_len": 9,
    "max_completion_len": 9,
    "soft_punish_cache": 1,
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_reward_judges_in_one_way(name: str) -> None:
    kind = KINDS[name]
    needed = {key for key, field in kind.model_fields.items() if field.is_required()} - {"type"}
    made = reward(name, **{key: REQUIRED[key] for key in needed})
    ways = (
        type(made).judge is not Reward.judge,
        made.model is not None,
        made.code is not None,
        made.upstream_function is not None,
    )
    assert sum(ways) == 1


@pytest.mark.parametrize("name", sorted(KINDS))
def test_snippet_of_a_reward_compiles(name: str, questions: Workshop) -> None:
    document, findings = parse(KINDS[name].snippet, "snippet.yaml")
    assert document is not None, findings
    rewards = document.value["rewards"]
    assert name in (rewards, rewards["type"] if isinstance(rewards, dict) else None)
    compiled = questions.compile({**ONLINE, "rewards": rewards})
    told = {d.code.id for d in compiled.report}
    assert told <= {"RR367"}, [d.message for d in compiled.report]


ONLINE = recipe({"data.train": "data/questions.jsonl"}, algorithm="grpo")


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A folder with prompts and right answers, and a reward of one's own."""
    made = workshop(tmp_path_factory.mktemp("questions"))
    row = json.dumps({"prompt": "2 + 2 =", "answer": "4", "solution": "4"})
    (made.folder / "data" / "questions.jsonl").write_text(f"{row}\n" * 64, encoding="utf-8")
    row = json.dumps({"q": "2 + 2 =", "a": "4"})
    (made.folder / "data" / "others.jsonl").write_text(f"{row}\n" * 64, encoding="utf-8")
    for name, function in (("judge", "tone"), ("rewards", "politeness")):
        text = f"def {function}(prompts, completions, **columns):\n    return [0.0]\n"
        (made.folder / f"{name}.py").write_text(text, encoding="utf-8")
    return made


RENAMED = {"path": "data/others.jsonl", "columns": {"prompt": "q", "answer": "a"}}
CODE = {"type": "python", "path": "judge.py", "function": "tone"}
RULES = [
    ("no rewards", {}, ["RR365"]),
    ("rewards for sft", {"algorithm": "sft", "data.train": "data/chat.jsonl"}, ["RR366"]),
    ("a column that is there", {"rewards": "exact_match"}, []),
    ("a column that is not", {"rewards": {"type": "exact_match", "column": "b"}}, ["RR369"]),
    ("the prompt", {"rewards": {"type": "exact_match", "column": "prompt"}}, ["RR369"]),
    ("a renamed column", {"rewards": "exact_match", "data.train": RENAMED}, []),
    (
        "its old name",
        {"rewards": {"type": "exact_match", "column": "a"}, "data.train": RENAMED},
        ["RR369"],
    ),
    (
        "one of two data sets",
        {
            "rewards": {"type": "accuracy"},
            "data.train": ["data/questions.jsonl", RENAMED],
        },
        ["RR369"],
    ),
    (
        "data to evaluate on",
        {"rewards": {"type": "accuracy"}, "data.eval": RENAMED},
        ["RR369"],
    ),
    (
        "data that are elsewhere",
        {"rewards": "exact_match", "data.train": {"path": "org/set", "format": "prompt"}},
        [],
    ),
    ("code", {"rewards": CODE}, ["RR367"]),
    ("code beside others", {"rewards": ["length", CODE]}, ["RR367"]),
    ("code that is not there", {"rewards": {**CODE, "path": "tone.py"}}, ["RR416"]),
    ("a function that is not there", {"rewards": {**CODE, "function": "f"}}, ["RR416"]),
]


@pytest.mark.parametrize(("changes", "codes"), [c[1:] for c in RULES], ids=[c[0] for c in RULES])
def test_rules_about_rewards(
    changes: dict[str, Any], codes: list[str], questions: Workshop
) -> None:
    start: dict[str, Any] = {"data.train": "data/questions.jsonl", "algorithm": "grpo"}
    if changes.get("algorithm") == "sft":
        changes = {**changes, "rewards": "length"}
    assert questions.codes(recipe({**start, **changes})) == codes


def test_plan_holds_the_hash_of_the_code(questions: Workshop) -> None:
    rewards = [{**CODE, "weight": 2, "kwargs": {"a": [1]}}]
    (planned,) = questions.plan({**ONLINE, "rewards": rewards}).rewards
    file = questions.folder / "judge.py"
    assert planned.file == str(file)
    assert planned.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (planned.function, planned.weight) == ("tone", 2.0)
    assert planned.options["kwargs"] == {"a": [1]}
