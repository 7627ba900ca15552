"""What a run made is loaded as plain peft and transformers load it, or is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.answering.batches import Answering
from recipe_runner.execute.answering.conversation import Conversation, TooLong
from recipe_runner.execute.answering.decoding import Sampling
from recipe_runner.execute.answering.quiet import Quiet
from recipe_runner.execute.answering.rows import read_prompts
from recipe_runner.execute.answering.sides import Sides
from recipe_runner.execute.finished import open_run
from recipe_runner.execute.loading import load_run
from tests.runs.chat.conftest import BASE_ANSWER, QUESTIONS, Made

pytestmark = pytest.mark.runs

NEW = 60


@pytest.fixture(scope="module")
def sides(made: Made) -> Sides:
    return Sides(made.finished)


def plainly(folder: Path, made: Made, prompt: list[dict[str, str]]) -> str:
    """The answer of plain transformers, and of plain peft where `folder` has an adapter."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made.run / "model")
    model: Any = AutoModelForCausalLM.from_pretrained(made.base, dtype="float32")
    if folder != made.base:
        model = PeftModel.from_pretrained(model, folder)
    ids = tokenizer.apply_chat_template(
        prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    out = model.eval().generate(**ids, do_sample=False, max_new_tokens=NEW)
    return str(tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))


def test_both_sides_answer_as_upstream_does(made: Made, sides: Sides) -> None:
    prompt = [{"role": "user", "content": QUESTIONS[2]}]
    talk = Conversation(sides, Sampling(NEW))
    with_adapter = talk.answer(list(prompt), lambda _: None).text
    talk.adapted = False
    base = talk.answer(list(prompt), lambda _: None).text
    assert with_adapter == plainly(made.run / "model", made, prompt)
    assert base == plainly(made.base, made, prompt)
    assert base == BASE_ANSWER
    assert with_adapter != base


def test_text_comes_in_whole_characters_and_adds_up(sides: Sides) -> None:
    talk = Conversation(sides, Sampling(NEW), adapted=False)
    pieces: list[str] = []
    reply = talk.ask(QUESTIONS[0], pieces.append)
    assert "".join(pieces) == reply.text == BASE_ANSWER
    assert len(pieces) > 10
    assert not any("\ufffd" in piece for piece in pieces)


def test_an_answer_that_ends_inside_a_character_is_shown_to_its_end(sides: Sides) -> None:
    for limit in range(1, 12):
        talk = Conversation(sides, Sampling(limit), adapted=False)
        pieces: list[str] = []
        reply = talk.ask(QUESTIONS[0], pieces.append)
        assert "".join(pieces) == reply.text
        assert (reply.tokens, reply.cut) == (limit, True)


def test_oldest_turns_make_room_and_the_system_turn_stays(sides: Sides) -> None:
    talk = Conversation(sides, Sampling(16), system="please answer")
    # Each exchange takes some 30 tokens of the 512.
    left_out = [
        talk.ask(f"{QUESTIONS[n % 7]} 1 2 3 4 5", lambda _: None).left_out for n in range(24)
    ]
    assert left_out[0] == 0
    assert left_out[-1] > 0
    assert left_out[-1] % 2 == 0  # whole exchanges
    assert len(talk.turns) == 48
    with pytest.raises(TooLong):
        talk.ask("1 " * 600, lambda _: None)
    assert len(talk.turns) == 48


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate"), "RR702", "--max-new-tokens"),
        (OSError(28, "No space left on device"), "RR705", "free space"),
    ],
)
def test_what_runs_out_is_told_without_advice_for_a_training(
    error: Exception, code: str, words: str, made: Made
) -> None:
    with pytest.raises(DiagnosticError) as caught, Quiet(made.finished) as quiet, quiet.working():
        raise error
    (told,) = caught.value.diagnostics
    assert (told.code.id, words in told.help, "training." in told.help) == (code, True, False)


def test_a_model_that_knows_no_end_answers_up_to_the_limit(made: Made) -> None:
    sides = Sides(made.finished)
    loaded = sides.made()
    loaded.tokenizer.eos_token = None
    loaded.model.generation_config.eos_token_id = None
    reply = Conversation(sides, Sampling(4)).ask(QUESTIONS[0], lambda _: None)
    assert (reply.tokens, reply.cut) == (4, True)


def test_sampling_draws_alike_on_a_second_try(sides: Sides) -> None:
    texts = [
        Conversation(sides, Sampling(20, temperature=2.0, seed=seed))
        .ask("Say 1", lambda _: None)
        .text
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_a_file_is_answered_as_one_by_one(sides: Sides, batch_size: int) -> None:
    questions = [*QUESTIONS, "Say 1 2 3 4 5 please", "hello"]
    text = "".join(json.dumps({"prompt": q, "id": n}) + "\n" for n, q in enumerate(questions))
    file = read_prompts("p.jsonl", text, json_lines=True, column=None, taken=())
    columns = {True: "answer", False: "answer_base"}
    answering = Answering(sides, Sampling(24), columns, batch_size)
    prompts = answering.prepare(file)
    rows = [row for batch in answering.answers(file.rows, prompts) for row in batch.written()]
    assert [row["id"] for row in rows] == list(range(len(questions)))
    for adapted, column in columns.items():
        talk = Conversation(sides, Sampling(24), adapted=adapted)
        alone = [
            talk.answer([{"role": "user", "content": q}], lambda _: None).text for q in questions
        ]
        assert [row[column] for row in rows] == alone


def test_every_prompt_that_the_model_cannot_take_is_named(sides: Sides) -> None:
    text = "Say 1\n" + "1 " * 600 + "\nSay 2\n"
    file = read_prompts("p.txt", text, json_lines=False, column=None, taken=())
    with pytest.raises(DiagnosticError) as refused:
        Answering(sides, Sampling(24), {True: "answer"}, 4).prepare(file)
    (told,) = refused.value.diagnostics
    assert (told.code.id, told.place.span.start.line) == ("RR630", 2)
    assert "there is room for 488" in told.message


@pytest.fixture
def moved(made: Made, tmp_path: Path) -> Path:
    """A copy of the run whose base is at a path of its own."""
    shutil.copytree(made.run, tmp_path / "run")
    plan = (tmp_path / "run" / "plan.json").read_text(encoding="utf-8")
    there = plan.replace(str(made.base), str(tmp_path / "other"))
    (tmp_path / "run" / "plan.json").write_text(there, encoding="utf-8")
    return tmp_path


def test_a_base_that_is_gone_is_named(moved: Path) -> None:
    with pytest.raises(DiagnosticError) as refused:
        load_run(open_run(moved / "run"))
    (told,) = refused.value.diagnostics
    assert told.code.id == "RR628"
    assert str(moved / "other") in told.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"intermediate_size": 96}, "size mismatch", id="other shapes"),
        pytest.param({"num_hidden_layers": 1}, "no place for model.layers.1.", id="fewer layers"),
    ],
)
def test_an_adapter_of_another_base_is_refused(
    made: Made, moved: Path, change: dict[str, int], words: str
) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    shutil.copytree(made.base, moved / "other")
    config = AutoConfig.from_pretrained(made.base, **change)
    if "num_hidden_layers" in change:
        config.layer_types = None
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(moved / "other")
    with pytest.raises(DiagnosticError) as refused:
        load_run(open_run(moved / "run"))
    (told,) = refused.value.diagnostics
    assert told.code.id == "RR629"
    assert words in told.message


def test_code_of_a_model_runs_only_where_it_is_allowed(moved: Path) -> None:
    file = moved / "run" / "plan.json"
    plan = json.loads(file.read_text(encoding="utf-8"))
    plan["model"]["load"]["trust_remote_code"] = True
    file.write_text(json.dumps(plan), encoding="utf-8")
    with pytest.raises(DiagnosticError) as refused:
        load_run(open_run(moved / "run"))
    assert [d.code.id for d in refused.value.diagnostics] == ["RR631"]
