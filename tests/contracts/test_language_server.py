"""An editor with the YAML language server completes recipes and marks misspelt keys.

Needs node and the npm package `yaml-language-server`; see `language_server.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.language_server import Session, command, session

SCHEMA = Path(__file__).parents[2] / "schemas" / "recipe-v1.schema.json"
HEAD = f"# yaml-language-server: $schema={SCHEMA}\n"
MODEL = "recipe: 1\nmodel: org/model-id\nalgorithm: sft\noutput_dir: runs/x\n"
BASE = f"{HEAD}{MODEL}data: {{train: data/chat.jsonl}}\n"

pytestmark = pytest.mark.skipif(
    command() is None, reason="set YAML_LANGUAGE_SERVER to the npm package's script"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Session]:
    arguments = command()
    assert arguments is not None
    with session(arguments) as opened:
        yield opened


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        pytest.param(f"{BASE}|", {"training", "adapter", "launch", "seed"}, id="sections"),
        pytest.param(f"{BASE}training:\n  |", {"learning_rate", "eval_steps"}, id="keys"),
        pytest.param(f"{BASE}tokenizer:\n  |", {"chat_template"}, id="keys of a shorthand"),
        pytest.param(f"{BASE}adapter: |", {"lora"}, id="names of components"),
        pytest.param(f"{BASE}adapter:\n  type: |", {"lora"}, id="types"),
        pytest.param(
            f"{BASE}adapter:\n  type: lora\n  |", {"r", "use_dora"}, id="component's keys"
        ),
        pytest.param(f"{BASE}adapter: {{type: lora, u|}}", {"use_dora"}, id="in braces"),
        pytest.param(f"{BASE}tracking:\n  - |", {"wandb", "mlflow"}, id="names in a list"),
        pytest.param(f"{BASE}training:\n  eval_strategy: |", {"epoch", '"no"'}, id="words"),
        pytest.param(
            f"{HEAD}{MODEL}data:\n  train:\n    - path: x\n      format:\n        type: sharegpt\n        |",
            {"role_key"},
            id="deep",
        ),
    ],
)
def test_completion_offers(server: Session, text: str, offered: set[str]) -> None:
    cut = text.index("|")
    before = text[:cut].split("\n")
    uri = f"file:///completion/{abs(hash(text))}.yaml"
    server.open(uri, text.replace("|", "", 1))
    assert offered <= set(server.completions(uri, len(before) - 1, len(before[-1])))


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        pytest.param("seed: 7", None, 0, id="fine"),
        pytest.param("trainig: {}", "Property trainig is not allowed.", 0, id="section"),
        pytest.param(
            "training: {learning_rat: 1}", "Property learning_rat is not allowed.", 11, id="key"
        ),
        pytest.param(
            "adapter: {type: lora, rr: 3}", "Property rr is not allowed.", 22, id="component's key"
        ),
        pytest.param(
            "launch: {strategy: {type: fsdp, cpu_offlod: true}}",
            "Property cpu_offlod is not allowed.",
            32,
            id="deep",
        ),
    ],
)
def test_one_message_is_about_the_fault(
    server: Session, line: str, message: str | None, column: int
) -> None:
    uri = f"file:///diagnostics/{abs(hash(line))}.yaml"
    server.open(uri, f"{BASE}{line}\n")
    found = [(d["message"], d["range"]["start"]["character"]) for d in server.diagnostics(uri)]
    assert found == ([] if message is None else [(message, column)])


def test_hover_tells_what_a_key_does(server: Session) -> None:
    uri = "file:///hover.yaml"
    server.open(uri, f"{BASE}adapter:\n  type: lora\n  r: 8\n")
    assert "Rank of the update" in server.hover(uri, 8, 2)
