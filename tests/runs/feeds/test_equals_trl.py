"""Prepared rows and their batches are those that TRL's trainers make of the same file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.compiler.machine import machine
from recipe_runner.execute.console import Silent
from recipe_runner.execute.feeds import batches_of
from recipe_runner.execute.suppliers import default_suppliers
from recipe_runner.execute.tokenizer import load_tokenizer
from recipe_runner.pipeline import compile_file
from recipe_runner.plan import Plan
from tests.tiny import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.runs

ASK = [{"role": "user", "content": "what is 2 + 2"}]
SYSTEM = [{"role": "system", "content": "please answer"}, *ASK]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


PAIRS: Mapping[str, list[dict[str, Any]]] = {
    "texts": [
        {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5 or so"},
        {"prompt": "hello", "chosen": " there", "rejected": " no"},
    ],
    "texts that begin alike": [
        {"chosen": "2 + 2 = 4", "rejected": "2 + 2 = 5"},
        {"chosen": "the quick fox", "rejected": "the quick dog jumps"},
    ],
    "messages": [
        {"prompt": ASK, "chosen": said("4"), "rejected": said("5 over")},
        {"prompt": SYSTEM, "chosen": said("four is the answer"), "rejected": said("no")},
    ],
    "messages that begin alike": [
        {"chosen": [*ASK, *said("4")], "rejected": [*ASK, *said("5")]},
        {"chosen": [*SYSTEM, *said("4")], "rejected": [*SYSTEM, *said("no no no")]},
    ],
    "several turns": [
        {
            "prompt": [*ASK, *said("4"), {"role": "user", "content": "and 3 + 3"}],
            "chosen": said("6"),
            "rejected": said("7"),
        },
    ],
}
JUDGED: Mapping[str, list[dict[str, Any]]] = {
    "texts": [
        {"prompt": f"{n} + 2 =", "completion": f" {n + 2}", "label": n % 2 == 0} for n in range(7)
    ],
    "messages": [
        {"prompt": ASK, "completion": said(str(n) * (n + 1)), "label": n % 2 == 0} for n in range(5)
    ],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer writes a token before each text, as Llama's does."""
    folder = tiny_model(tmp_path_factory.mktemp("beginning"))
    tiny_tokenizer(folder, bos_token="<|begin|>", add_bos=True)
    return folder


def planned(
    algorithm: Any, rows: Sequence[Mapping[str, Any]], model: Path, folder: Path, **data: Any
) -> Plan:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "recipe": 1,
        "model": str(model),
        "data": {"train": "rows.jsonl", "max_length": 200, "shuffle": False, **data},
        "algorithm": algorithm,
        "training": {"global_batch_size": 4, "per_device_train_batch_size": 2},
        "output_dir": "run",
    }
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    compiled = compile_file(str(file), machine("cpu"), cwd=folder)
    assert compiled.plan is not None, [d.message for d in compiled.report]
    return compiled.plan


def ours(plan: Plan) -> tuple[list[dict[str, Any]], Any]:
    """The rows that the plan's trainer gets, and the tokenizer."""
    tokenizer = load_tokenizer(plan.tokenizer)
    rows = default_suppliers().prepare(plan, tokenizer, Silent()).train
    return [dict(rows[number]) for number in range(len(rows))], tokenizer


def theirs(kind: str, rows: Sequence[Mapping[str, Any]], model: Path, folder: Path) -> Any:
    """TRL's trainer with the rows as they are."""
    import datasets
    import trl
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.experimental import orpo

    tokenizer = AutoTokenizer.from_pretrained(model)
    common = {
        "output_dir": str(folder / "trl"),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "per_device_train_batch_size": 2,
        "max_length": 200,
    }
    where: Any = orpo if kind == "ORPO" else trl
    loaded: Any = AutoModelForCausalLM.from_pretrained(model)
    return getattr(where, f"{kind}Trainer")(
        model=str(model) if kind == "Reward" else loaded,
        args=getattr(where, f"{kind}Config")(**common),
        train_dataset=datasets.Dataset.from_list([dict(row) for row in rows]),
        processing_class=tokenizer,
    )


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("which", ["model", "beginning"])
def test_pairs_have_the_tokens_of_dpo(
    kind: str, which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(which)
    made, _ = ours(planned("dpo", PAIRS[kind], folder, tmp_path))
    trained = theirs("DPO", PAIRS[kind], folder, tmp_path).train_dataset
    for name in ("prompt_ids", "chosen_ids", "rejected_ids"):
        assert [row[name] for row in made] == list(trained[name])


@pytest.mark.parametrize("kind", PAIRS)
def test_whole_pairs_have_the_batches_of_the_reward_trainer(
    kind: str, model: Path, tmp_path: Path
) -> None:
    rows = [{**row, "margin": 0.5 * n} for n, row in enumerate(PAIRS[kind])]
    plan = planned("reward", rows, model, tmp_path)
    made, tokenizer = ours(plan)
    collate = batches_of(plan, tokenizer)
    assert collate is not None
    trainer = theirs("Reward", rows, model, tmp_path)
    wanted = trainer.data_collator([trainer.train_dataset[n] for n in range(len(rows))])
    equal(collate(made), wanted)


@pytest.mark.parametrize("kind", ["texts", "texts that begin alike"])
def test_labelled_pairs_have_the_batches_of_orpo(kind: str, model: Path, tmp_path: Path) -> None:
    plan = planned("orpo", PAIRS[kind], model, tmp_path)
    made, tokenizer = ours(plan)
    collate = batches_of(plan, tokenizer)
    assert collate is not None
    trainer = theirs("ORPO", PAIRS[kind], model, tmp_path)
    wanted = trainer.data_collator([trainer.train_dataset[n] for n in range(len(made))])
    # The rows as texts come along, and the loss does not look at them.
    numbers = {name: value for name, value in wanted.items() if hasattr(value, "shape")}
    equal(collate(made), numbers)


@pytest.mark.parametrize("kind", JUDGED)
def test_judged_answers_are_turned_by_one_in_each_batch_as_in_kto(
    kind: str, model: Path, tmp_path: Path
) -> None:
    from recipe_runner.execute.feeds.trainers import _turned_by_one

    plan = planned("kto", JUDGED[kind], model, tmp_path)
    tokenizer = load_tokenizer(plan.tokenizer)
    rows = default_suppliers().prepare(plan, tokenizer, Silent()).train
    micro = plan.steps.per_device
    made = rows.map(_turned_by_one, batched=True, batch_size=micro)
    trained = theirs("KTO", JUDGED[kind], model, tmp_path).train_dataset
    for name in ("prompt_ids", "completion_ids", "KL_completion_ids", "label"):
        assert list(made[name]) == list(trained[name])


def equal(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert made.keys() == wanted.keys()
    for name, value in wanted.items():
        assert made[name].tolist() == value.tolist(), name
