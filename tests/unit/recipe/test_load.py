"""What is wrong with one key or value by itself, at its place and with its fix."""

from __future__ import annotations

from typing import Any

import pytest

from recipe_runner.recipe.fields import all_paths
from recipe_runner.recipe.load import load
from recipe_runner.recipe.renamed import ELSEWHERE, RENAMED
from recipe_runner.recipe.schema import Recipe
from recipe_runner.recipe.sections import EvalSplit, TemplateFile, TemplateInline
from recipe_runner.syntax import parse
from tests.workshop import Workshop, recipe

HEAD = "recipe: 1\nmodel: org/model-id\nalgorithm: sft\noutput_dir: runs/x\n"
BASE = HEAD + "data: {train: data/chat.jsonl}\n"


def told(text: str) -> list[tuple[str, int, str, str]]:
    """Code, line, message and help of each finding."""
    document, findings = parse(text, "recipe.yaml")
    assert document is not None, findings
    _, findings = load(document)
    return [(d.code.id, d.place.span.start.line, d.message, d.help) for d in findings]


def loaded(text: str) -> Recipe:
    document, _ = parse(text, "recipe.yaml")
    assert document is not None
    result, findings = load(document)
    assert result is not None, findings
    return result


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        # number
        ("training: {learning_rate: fast}", "RR203", '`training.learning_rate` is "fast"'),
        ("training: {learning_rate: '1e-4'}", "RR203", '`training.learning_rate` is "1e-4"'),
        ("training: {learning_rate: true}", "RR203", "`training.learning_rate` is true"),
        ("training: {learning_rate: [1]}", "RR203", "`training.learning_rate` is [1]"),
        ("training: {learning_rate: {a: 1}}", "RR203", "`training.learning_rate` is {"),
        ("training: {learning_rate: null}", "RR203", "`training.learning_rate` is null"),
        # whole number
        ("training: {max_steps: 1.5}", "RR203", "`training.max_steps` is 1.5"),
        ("training: {max_steps: ten}", "RR203", '`training.max_steps` is "ten"'),
        ("seed: 1.0", "RR203", "`seed` is 1.0"),
        # boolean
        ("training: {torch_compile: yes}", "RR203", '`training.torch_compile` is "yes"'),
        ("training: {torch_compile: 1}", "RR203", "`training.torch_compile` is 1"),
        # text
        ("name: 7", "RR203", "`name` is 7"),
        ("name: [a]", "RR203", "`name` is ["),
        # list
        ("tags: one", "RR203", '`tags` is "one"'),
        ("tags: [1]", "RR203", "`tags.0` is 1"),
        ("tags: {a: 1}", "RR203", "`tags` is {"),
        # mapping
        ("training: 3", "RR203", "`training` is 3"),
        ("training: [a]", "RR203", "`training` is ["),
        ("launch: null", "RR203", "`launch` is null"),
        ("adapter: 16", "RR203", "`adapter` is 16"),
        ("tokenizer: {chat_template: 3}", "RR203", "`tokenizer.chat_template` is 3"),
        # range
        (
            "training: {learning_rate: 0}",
            "RR204",
            "`training.learning_rate` is 0; it must be above 0",
        ),
        ("training: {adam_beta1: 1}", "RR204", "`training.adam_beta1` is 1; it must be below 1"),
        ("training: {max_steps: 0}", "RR204", "`training.max_steps` is 0; it must be at least 1"),
        ("seed: -1", "RR204", "`seed` is -1; it must be at least 0"),
        # choice
        (
            "training: {lr_scheduler_type: cosin}",
            "RR205",
            '`training.lr_scheduler_type` is "cosin"',
        ),
        ("adapter: lorra", "RR205", '`adapter` is "lorra"'),
        ("adapter: {type: lorra}", "RR205", '`adapter` is "lorra"'),
        ("tracking: [wandbb]", "RR205", '`tracking.0` is "wandbb"'),
        # which one
        ("adapter: {r: 8}", "RR206", "`adapter` does not say which one it is"),
        ("launch: {strategy: {cpu_offload: true}}", "RR206", "`launch.strategy` does not say"),
        ("adapter: {type: lora, r: -3}", "RR207", "`adapter.r` is -3"),
        # unknown
        ("trainig: {}", "RR201", "`trainig` is not a key at the top level"),
        ("adapter: {type: lora, rr: 8}", "RR201", "`rr` is not a key in `adapter`"),
        ("score: {rowz: 8}", "RR201", "`rowz` is not a key in `score`"),
        ("training: {loss_watchdog: {threshold: 1, wait: 3}}", "RR201", "`wait` is not a key in"),
        ("training: {loss_watchdog: {patience: 3}}", "RR202", "`training.loss_watchdog` has no"),
        ("hub: {private: true}", "RR202", "`hub` has no `hub_model_id`"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value else None,
)
def test_one_fault_gives_one_finding_at_its_line(line: str, code: str, message: str) -> None:
    (found,) = told(BASE + line + "\n")
    assert found[:2] == (code, 6)
    assert found[2].startswith(message)


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ("{}", "RR202", "`data` has no `train`"),
        ("{train: []}", "RR204", "`data.train` is []"),
        ("{train: [3]}", "RR203", "`data.train.0` is 3"),
        ("{train: {format: text}}", "RR202", "`data.train` has no `path`"),
        ("{train: [{path: a, limt: 3}]}", "RR201", "`limt` is not a key in `data.train.0`"),
        ("{train: x, eval: {split: 0}}", "RR20", "`data.eval.split` is 0"),
        ("{train: {path: a, format: {type: text, colum: b}}}", "RR201", "`colum` is not a key"),
        ("{train: {path: a, format: sharegtp}}", "RR205", '`data.train.format` is "sharegtp"'),
    ],
)
def test_faults_of_data(data: str, code: str, message: str) -> None:
    found = told(f"{HEAD}data: {data}\n")
    assert [f[0].startswith(code) and f[2].startswith(message) for f in found] == [True]


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_each_renamed_key_names_a_key_that_exists(old: str) -> None:
    target = RENAMED[old]
    assert target in all_paths() or target == "data.train.format"
    for text in (f"{BASE}{old}: 1\n", f"{BASE}training:\n  {old}: 1\n"):
        found = [f for f in told(text) if f[0] in ("RR201", "RR209", "RR208")]
        assert len(found) == 1, found
        if found[0][0] == "RR209":
            assert f"`{target}`" in found[0][2]


@pytest.mark.parametrize("old", sorted(ELSEWHERE))
def test_a_key_that_is_none_here_is_told_what_there_is_instead(old: str) -> None:
    assert old not in RENAMED
    assert told(f"{BASE}{old}: 1\n")[0][3] == ELSEWHERE[old]


def test_no_renamed_key_is_a_section() -> None:
    assert set(RENAMED).isdisjoint(Recipe.model_fields)


def test_a_slip_is_suggested() -> None:
    assert told(f"{BASE}training: {{learning_rat: 1}}\n")[0][3] == "did you mean `learning_rate`?"


def test_a_key_of_another_section_is_sent_there() -> None:
    assert "`training.learning_rate`" in told(f"{BASE}learning_rate: 1e-4\n")[0][3]
    assert "`algorithm.padding_free`" in told(f"{BASE}padding_free: true\n")[0][3]


def test_faults_come_together() -> None:
    text = f"{BASE}trainig: {{}}\nseed: -1\nadapter: {{type: lora, r: 0}}\n"
    assert {f[0] for f in told(text)} == {"RR201", "RR204", "RR207"}


@pytest.mark.parametrize(
    "spelling", ["1e-4", "1E-4", "0.0001", "1.0e-4", "+1e-4", ".0001", "1.e-4"]
)
def test_a_rate_is_a_number_in_every_spelling(spelling: str) -> None:
    assert loaded(f"{BASE}training: {{learning_rate: {spelling}}}\n").training.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"model": "org/a"}, {"model": {"name_or_path": "org/a"}}),
        ({"tokenizer": "org/a"}, {"tokenizer": {"name_or_path": "org/a"}}),
        ({"algorithm": "sft"}, {"algorithm": {"type": "sft"}}),
        ({"adapter": "lora"}, {"adapter": {"type": "lora"}}),
        ({"data.train": "data/chat.jsonl"}, {"data.train": [{"path": "data/chat.jsonl"}]}),
        ({"data.train.format": "messages"}, {"data.train.format": {"type": "messages"}}),
        ({"data.eval": "data/eval.jsonl"}, {"data.eval": [{"path": "data/eval.jsonl"}]}),
        ({"tracking": "wandb"}, {"tracking": [{"type": "wandb"}]}),
        ({"launch.strategy": "single"}, {"launch.strategy": {"type": "single"}}),
        ({"hub": "org/r"}, {"hub": {"hub_model_id": "org/r"}}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_shorthand_means_the_long_form(
    shop: Workshop, short: dict[str, Any], long: dict[str, Any]
) -> None:
    first, second = shop.compile(recipe(short)).resolved, shop.compile(recipe(long)).resolved
    assert first is not None
    assert second is not None
    assert first.recipe == second.recipe


def test_unions_are_told_by_their_keys() -> None:
    assert isinstance(
        loaded(f"{HEAD}data: {{train: a, eval: {{split: 5}}}}\n").data.eval, EvalSplit
    )
    sets = loaded(f"{HEAD}data: {{train: a, eval: {{path: b, split: test}}}}\n").data.eval
    assert isinstance(sets, tuple)
    assert sets[0].split == "test"
    for key, kind in (("file", TemplateFile), ("inline", TemplateInline)):
        text = f"{BASE}tokenizer: {{chat_template: {{{key}: x}}}}\n"
        assert isinstance(loaded(text).tokenizer.chat_template, kind)


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded(BASE).seed = 1  # type: ignore[misc]  # what is shown is that it fails


def test_every_key_is_described() -> None:
    assert [path for path, field in all_paths().items() if not field.description] == []


@pytest.mark.parametrize(
    ("text", "message", "help_text"),
    [
        pytest.param(
            f"{HEAD}data: {{train: data/chat.jsonl, eval: 0.05}}\n",
            "`data.eval` is 0.05; a text or a mapping is expected",
            "eval: Evaluation: null for none",
            id="forms-of-a-section",
        ),
        pytest.param(
            f"{HEAD}data: {{train: data/chat.jsonl, eval: {{split: 0}}}}\n",
            "`data.eval.split` is 0; it must be above 0 or at least 1",
            "split: A fraction below 1, or a number of rows.",
            id="two-ranges",
        ),
        pytest.param(
            f"{BASE}training: {{optim_args: fast}}\n",
            '`training.optim_args` is "fast"; it must be a text that matches',
            "optim_args: Options of the optimizer, as `key=value` pairs",
            id="pairs",
        ),
        pytest.param(
            f"{HEAD}data: null\n",
            "`data` is null; a mapping is expected",
            "data: What the model learns from.",
            id="required-and-null",
        ),
        pytest.param(
            HEAD, "the recipe has no `data`", "add `data`: What the model learns", id="missing"
        ),
        pytest.param(
            f"{BASE}adapter: none\n",
            '`adapter` is "none", which is none of its choices',
            "to have none, leave the key out; choices: adalora, adamss",
            id="none-as-a-word",
        ),
        pytest.param(
            f"{BASE}adapter: false\n",
            "`adapter` is false; a word or a mapping is expected",
            "to have none, leave the key out",
            id="none-as-false",
        ),
        pytest.param(
            f"{BASE}tokenizer: {{chat_template: {{inline: x, file: y}}}}\n",
            "`tokenizer.chat_template.file` does not go with the other keys",
            "keep one form",
            id="two-forms",
        ),
    ],
)
def test_messages_fit_the_key(text: str, message: str, help_text: str) -> None:
    ((_, _, said, helped),) = told(text)
    assert said.startswith(message)
    assert helped.startswith(help_text)
