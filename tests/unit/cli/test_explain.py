"""`recipe-run explain` has a page for everything that it lists, and a hint for the rest."""

from __future__ import annotations

import pytest

from recipe_runner.catalogue import catalogue
from recipe_runner.cli.topics import names, overview, page
from recipe_runner.cli.value_text import takes
from recipe_runner.diagnostics import FAMILIES
from recipe_runner.recipe.schema import Recipe
from tests.unit.cli.conftest import Command


def test_everything_that_is_listed_has_a_page() -> None:
    assert [name for name in names() if not page(name)] == []


def test_every_key_says_what_it_is() -> None:
    from recipe_runner.recipe.fields import all_paths

    assert [path for path, field in all_paths().items() if not field.description] == []


def test_the_overview_names_sections_components_and_codes() -> None:
    text = overview(80)
    assert all(name in text for name in Recipe.model_fields)
    assert all(code.id in text and code.name in text for code in catalogue().values())
    assert max(map(len, text.splitlines())) <= 80
    families = {FAMILIES[code.id[:3]] for code in catalogue().values()}
    assert all(family in text for family in families)


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        pytest.param("RR201", "# RR201 unknown-key", id="code"),
        pytest.param("rr201", "# RR201 unknown-key", id="lower-case"),
        pytest.param("unknown-key", "# RR201 unknown-key", id="name"),
        pytest.param("training.learning_rate", "- Takes: `auto` or a number above 0", id="key"),
        pytest.param("learning_rate", "# training.learning_rate", id="bare-key"),
        pytest.param("training.learning_rate", "`learning_rate` of `trl:SFTConfig`", id="passed"),
        pytest.param("data.train[0].format", "# data.train.format", id="index"),
        pytest.param("data.train.0.format", "# data.train.format", id="dotted-index"),
        pytest.param("adapter.r", "- Belongs to: `lora`", id="owner"),
        pytest.param("lora", "adapter: {type: lora, r: 16}", id="component"),
        pytest.param("sft", "# algorithm: sft", id="algorithm"),
        pytest.param("training", "- `num_train_epochs`: Passes over", id="section"),
    ],
)
def test_a_page_answers_the_question(topic: str, expected: str) -> None:
    assert expected in (page(topic) or "")


@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        pytest.param("training.learning_rat", "did you mean `training.learning_rate`", id="key"),
        pytest.param("lorra", "did you mean `lora`", id="component"),
        pytest.param("rr4400", "`RR440`", id="code"),
        pytest.param("qqqqqqqqqqqqqqqq", "`recipe-run explain` lists all of them", id="nothing"),
    ],
)
def test_an_unknown_topic_gets_a_hint(recipe_run: Command, topic: str, hint: str) -> None:
    done = recipe_run("explain", topic)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"anyOf": [{"enum": ["auto"]}, {"type": "integer", "minimum": 1}]}, "`auto` or a whole number of at least 1"),
        (
            {"type": ["null", "number"], "exclusiveMinimum": 0, "maximum": 1},
            "null or a number above 0 and of at most 1",
        ),
        ({"type": "array", "items": {"type": "string"}}, "a list of texts"),
        ({"enum": ["a", "b", None]}, "`a`, `b` or `null`"),
        ({"const": 1}, "`1`"),
    ],
    ids=["auto", "limits", "list", "choice", "constant"],
)  # fmt: skip
def test_what_a_key_takes_is_said_in_words(schema: dict[str, object], words: str) -> None:
    assert takes(schema) == words
