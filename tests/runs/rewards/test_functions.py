"""Rewards as trainers call them: what they return, and what ends the run."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.rewards import CompletionsLog, build_rewards
from recipe_runner.plan import RewardPlan
from tests.runs.rewards.conftest import Planned, of_code

pytestmark = pytest.mark.runs

PROMPTS = ["2 + 2 =", "7 x 13 ="]
ANSWERS = [" 4", " 90"]
COLUMNS: Mapping[str, Any] = {
    "answer": ["4", "91"],
    "_row": ["data/q.jsonl:1", "data/q.jsonl:2"],
}


@pytest.fixture(scope="module")
def tokenizer(chatml_tokenizer: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(chatml_tokenizer)


def code(folder: Path, body: str, header: str = "prompts, completions, **columns") -> Path:
    file = folder / "judge.py"
    file.write_text(f"def judge({header}):\n    {body}\n", encoding="utf-8")
    return file


def messages(*texts: str, role: str) -> list[list[dict[str, str]]]:
    return [[{"role": role, "content": text}] for text in texts]


@pytest.mark.parametrize(
    ("prompts", "answers"),
    [
        (PROMPTS, ANSWERS),
        (messages(*PROMPTS, role="user"), messages(*ANSWERS, role="assistant")),
        (
            PROMPTS,
            [[{"role": "assistant", "content": [{"type": "text", "text": t}]}] for t in ANSWERS],
        ),
    ],
    ids=["texts", "messages", "parts"],
)
def test_texts_and_messages_are_judged_alike(
    prompts: Any, answers: Any, planned: Planned, tokenizer: Any
) -> None:
    plan = planned(RewardPlan("number_match", "right", options={"column": "answer"}))
    (right,) = build_rewards(plan, tokenizer, None)
    assert right.__name__ == "right"
    assert right(prompts, answers, **COLUMNS) == [1.0, 0.0]


def test_names_are_made_different(planned: Planned, tokenizer: Any) -> None:
    names = ["length", "length", "length_2", "length"]
    plan = planned(*(RewardPlan("length", name) for name in names))
    built = [each.__name__ for each in build_rewards(plan, tokenizer, None)]
    assert built == ["length", "length_2", "length_2_2", "length_3"]


def test_tokens_are_counted_without_padding(planned: Planned, tokenizer: Any) -> None:
    options = {"unit": "tokens", "target": 3, "falloff": 10}
    (length,) = build_rewards(
        planned(RewardPlan("length", "length", options=options)), tokenizer, None
    )
    pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
    ids = [[5, 6, end], [5, 6, end, pad, pad], [5, pad, 6, pad]]
    assert length(["a"] * 3, ["b"] * 3, completion_ids=ids) == [1.0, 1.0, 1.0]


def test_padding_that_is_the_end_as_well_counts_once(planned: Planned, tmp_path: Path) -> None:
    from tests.tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer(tmp_path)
    tokenizer.pad_token = tokenizer.eos_token
    options = {"unit": "tokens", "target": 3, "falloff": 10}
    plan = planned(RewardPlan("length", "length", options=options))
    (length,) = build_rewards(plan, tokenizer, None)
    end = tokenizer.eos_token_id
    ids = [[5, 6, end], [5, 6, end, end, end], [5, 6, 7]]
    assert length(["a"] * 3, ["b"] * 3, completion_ids=ids) == [1.0, 1.0, 1.0]


def test_answers_without_tokens_are_tokenized(planned: Planned, tokenizer: Any) -> None:
    answer = "the quick brown fox"
    count = len(tokenizer(answer, add_special_tokens=False)["input_ids"])
    options = {"unit": "tokens", "target": count, "falloff": 1}
    plan = planned(RewardPlan("length", "length", options=options))
    (length,) = build_rewards(plan, tokenizer, None)
    assert length(["a"], [answer]) == [1.0]


def test_own_function_gets_columns_and_kwargs_and_nothing_of_ours(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    file = code(
        tmp_path,
        "print(sorted(columns)); assert sorted(columns) == ['answer', 'bonus', 'completion_ids'], "
        "columns; return [float(a == c.strip()) + columns['bonus'] "
        "for a, c in zip(columns['answer'], completions, strict=True)]",
    )
    (judge,) = build_rewards(planned(of_code(file, bonus=0.5)), tokenizer, None)
    assert judge(PROMPTS, ANSWERS, **COLUMNS) == [1.5, 0.5]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("completions", "return [len(c) for c in completions]"),
        ("prompts, completions", "return (len(c) for c in completions)"),
        ("completions, answer", "return tuple(len(c) for c in completions)"),
        ("completions, trainer_state=None", "return [len(c) for c in completions]"),
        ("completions, **_", "import numpy; return numpy.array([len(c) for c in completions])"),
        ("completions, **_", "import torch; return torch.tensor([len(c) for c in completions])"),
    ],
    ids=["one", "generator", "a column", "state", "numpy", "torch"],
)
def test_own_function_takes_what_it_names_and_may_return_any_row_of_numbers(
    header: str, body: str, planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    (judge,) = build_rewards(planned(of_code(code(tmp_path, body, header))), tokenizer, None)
    assert judge(PROMPTS, ANSWERS, **COLUMNS) == [2.0, 3.0]


def test_own_function_may_be_asynchronous(planned: Planned, tokenizer: Any, tmp_path: Path) -> None:
    file = tmp_path / "judge.py"
    file.write_text(
        "import asyncio\n\n"
        "async def judge(completions, **_):\n"
        "    await asyncio.sleep(0)\n"
        "    return [1.0 for _ in completions]\n",
        encoding="utf-8",
    )
    (judge,) = build_rewards(planned(of_code(file)), tokenizer, None)
    assert judge(PROMPTS, ANSWERS) == [1.0, 1.0]


def ended(call: Any, *arguments: Any, **more: Any) -> Diagnostic:
    with pytest.raises(DiagnosticError) as raised:
        call(*arguments, **more)
    (found,) = raised.value.diagnostics
    return found


FAULTS = [
    ("raises for one", "return [len(c) / (4 - len(c) - 1) for c in completions]", "RR717",
     ['failed on data/q.jsonl:2: ZeroDivisionError: division by zero (judge.py, line 2)',
      'prompt "7 x 13 =", answer " 90"']),
    ("raises for many together", "return [1.0] if len(completions) == 1 else {}['x']", "RR717",
     ["failed on a batch of 2 answers: KeyError: 'x'", 'prompt "2 + 2 =", answer " 4"']),
    ("leaves", "raise SystemExit(0)", "RR717", ["failed on data/q.jsonl:1: SystemExit: 0"]),
    ("lacks a column", "return columns['tone']", "RR717", ["data/q.jsonl:1: KeyError: 'tone'"]),
    ("nan", "return [1.0, float('nan')]", "RR718",
     ["gave nan for the answer to data/q.jsonl:2", 'answer " 90"']),
    ("infinite", "return [float('-inf'), 1.0]", "RR718", ["gave -inf", "data/q.jsonl:1"]),
    ("too large for float32", "return [1e39, 1.0]", "RR718", ["gave 1e+39"]),
    ("none", "return [1.0, None]", "RR718", ["gave None for the answer to data/q.jsonl:2"]),
    ("a text", "return [1.0, '1.0']", "RR717", ["gave '1.0'", "which is no number"]),
    ("a list", "return [1.0, [1.0]]", "RR717", ["gave [1.0]", "which is no number"]),
    ("too few", "return [1.0]", "RR717", ["returned 1 values, and a list of 2 numbers"]),
    ("too many", "return [1.0] * 3", "RR717", ["returned 3 values"]),
    ("nothing", "pass", "RR717", ["returned nothing"]),
    ("one number", "return 1.0", "RR717", ["returned a float"]),
    ("a mapping", "return {'a': 1, 'b': 2}", "RR717", ["returned a dict"]),
    ("a word", "return 'ok'", "RR717", ["returned a str"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "id_", "words"), [c[1:] for c in FAULTS], ids=[c[0] for c in FAULTS]
)
def test_fault_of_a_function_ends_the_run_and_names_the_row(
    body: str, id_: str, words: list[str], planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    plan = planned(of_code(code(tmp_path, body)))
    (judge,) = build_rewards(plan, tokenizer, None)
    found = ended(judge, PROMPTS, ANSWERS, **COLUMNS)
    assert found.code.id == id_
    assert found.place.path == plan.recipe_path
    for each in ("reward judge ", *words):
        assert each in found.message, found.message


def test_row_that_is_not_known_is_counted(planned: Planned, tokenizer: Any, tmp_path: Path) -> None:
    (judge,) = build_rewards(
        planned(of_code(code(tmp_path, "return [1.0, None]"))), tokenizer, None
    )
    assert "gave None for answer 2 of 2" in ended(judge, PROMPTS, ANSWERS).message


def test_long_texts_are_quoted_from_their_beginning(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    (judge,) = build_rewards(planned(of_code(code(tmp_path, "return [None]"))), tokenizer, None)
    prompt = [*messages("the question", role="system")[0], {"role": "user", "content": "q\n" * 99}]
    found = ended(judge, [prompt], ["a" * 999])
    assert f'answer "{"a" * 120}..."' in found.message
    assert '"q\\nq\\n' in found.message
    assert "the question" not in found.message
    assert "\n" not in found.message


def test_row_without_the_column_of_a_reward_ends_the_run(planned: Planned, tokenizer: Any) -> None:
    plan = planned(RewardPlan("exact_match", "right", options={"column": "answer"}))
    (right,) = build_rewards(plan, tokenizer, None)
    found = ended(right, PROMPTS, ANSWERS, answer=["4", None], _row=["q.jsonl:1", "q.jsonl:2"])
    assert found.code.id == "RR717"
    assert (
        "reward right cannot judge the answer to q.jsonl:2: the row has null in column `answer`"
        in found.message
    )
    found = ended(right, PROMPTS, ANSWERS, solution=["4", "91"])
    assert "the row has no column `answer`; it has `solution`" in found.message


def test_columns_that_some_rows_lack_are_none(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    rows = [{"image": "a.png", "tone": None}, {"tone": "curt"}]
    file = code(
        tmp_path,
        "assert columns['image'] == ['a.png', None], columns; "
        "return [float(tone == 'curt') for tone in columns['tone']]",
    )
    (judge,) = build_rewards(planned(of_code(file)), tokenizer, None)
    assert judge(PROMPTS, ANSWERS, _columns=rows) == [0.0, 1.0]
    plan = planned(RewardPlan("exact_match", "right", options={"column": "image"}))
    (right,) = build_rewards(plan, tokenizer, None)
    found = ended(right, PROMPTS, ANSWERS, _columns=rows, _row=["q.jsonl:1", "q.jsonl:2"])
    assert found.code.id == "RR717"
    assert "cannot judge the answer to q.jsonl:2: the row has null in column" in found.message


def test_memory_that_runs_out_is_no_fault_of_the_reward(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    for error in ("MemoryError()", "__import__('torch').OutOfMemoryError('CUDA out of memory')"):
        file = code(tmp_path, f"raise {error}")
        (judge,) = build_rewards(planned(of_code(file)), tokenizer, None)
        with pytest.raises((MemoryError, RuntimeError)) as raised:
            judge(PROMPTS, ANSWERS)
        assert not isinstance(raised.value, DiagnosticError)


def test_code_that_changed_is_not_run(planned: Planned, tokenizer: Any, tmp_path: Path) -> None:
    file = code(tmp_path, "return [1.0] * len(completions)")
    plan = planned(of_code(file))
    touched = tmp_path / "touched"
    file.write_text(f"open({str(touched)!r}, 'w').close()\n{file.read_text()}", encoding="utf-8")
    found = ended(build_rewards, plan, tokenizer, None)
    assert found.code.id == "RR617"
    assert "judge.py holds other code than when the run was allowed to use it" in found.message
    assert not touched.exists()
    file.unlink()
    found = ended(build_rewards, plan, tokenizer, None)
    assert (found.code.id, "cannot be read: no such file" in found.message) == ("RR617", True)


def test_code_reaches_no_file_beside_it(planned: Planned, tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("x = 1\n", encoding="utf-8")
    file = tmp_path / "judge.py"
    file.write_text(
        "import beside_it\n\ndef judge(completions):\n    return []\n", encoding="utf-8"
    )
    found = ended(build_rewards, planned(of_code(file)), tokenizer, None)
    assert found.code.id == "RR717"
    assert "ModuleNotFoundError: No module named 'beside_it'" in found.message


def test_two_functions_of_one_file_are_apart(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    file = tmp_path / "judge.py"
    file.write_text(
        "calls = []\n\n"
        "def first(completions):\n    calls.append(1)\n    return [len(calls)] * len(completions)\n\n"
        "def second(completions):\n    return [len(calls)] * len(completions)\n",
        encoding="utf-8",
    )
    first, second = build_rewards(
        planned(of_code(file, "first"), of_code(file, "second")), tokenizer, None
    )
    assert first(PROMPTS, ANSWERS) == [1.0, 1.0]
    assert second(PROMPTS, ANSWERS) == [0.0, 0.0]


def test_schema_that_is_none_ends_the_run_before_it_begins(
    planned: Planned, tokenizer: Any
) -> None:
    pytest.importorskip("jsonschema")
    options = {"json_schema": {"type": "objct"}}
    plan = planned(RewardPlan("json_schema", "shape", options=options))
    found = ended(build_rewards, plan, tokenizer, None)
    assert found.code.id == "RR717"
    assert "reward shape cannot be used: `json_schema` is no JSON Schema" in found.message


class State:
    def __init__(self, step: int) -> None:
        self.global_step = step


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_log_has_every_reward_and_their_weighted_sum(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "completions.jsonl"
    plan = planned(
        RewardPlan("number_match", "right", 2.0, {"column": "answer"}),
        RewardPlan("regex", "digits", -0.5, {"pattern": "[0-9]"}),
    )
    right, digits = build_rewards(plan, tokenizer, CompletionsLog(path))
    asked = messages(*PROMPTS, role="user")
    right(asked, ANSWERS, trainer_state=State(3), **COLUMNS)
    assert not path.exists()
    digits(asked, ANSWERS, trainer_state=State(3), **COLUMNS)
    assert lines(path) == [
        {
            "step": 3,
            "phase": "train",
            "row": "data/q.jsonl:1",
            "prompt": [{"role": "user", "content": "2 + 2 ="}],
            "completion": " 4",
            "rewards": {"right": 1.0, "digits": 1.0},
            "total": 1.5,
        },
        {
            "step": 3,
            "phase": "train",
            "row": "data/q.jsonl:2",
            "prompt": [{"role": "user", "content": "7 x 13 ="}],
            "completion": " 90",
            "rewards": {"right": 0.0, "digits": 1.0},
            "total": -0.5,
        },
    ]


def judged(planned: Planned, tokenizer: Any, path: Path | None) -> Any:
    plan = planned(RewardPlan("length", "length"))
    (length,) = build_rewards(plan, tokenizer, CompletionsLog(path))

    def at(step: int, *answers: str, phase: str = "train") -> None:
        count = len(answers)
        columns = {"_phase": [phase] * count, "trainer_state": State(step)}
        length(["?"] * count, list(answers), [[1]] * count, **columns)

    return at


def test_log_keeps_the_first_64_answers_of_a_step(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "completions.jsonl"
    at = judged(planned, tokenizer, path)
    at(0, *(f"a{n}" for n in range(50)))
    at(0, *(f"b{n}" for n in range(50)))
    at(0, "c")
    at(1, "d")
    said = [(line["step"], line["completion"]) for line in lines(path)]
    assert said == [
        *((0, f"a{n}") for n in range(50)),
        *((0, f"b{n}") for n in range(14)),
        (1, "d"),
    ]


def test_log_of_a_resumed_run_goes_on_where_the_steps_are_taken_again(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "completions.jsonl"
    at = judged(planned, tokenizer, path)
    for step in range(4):
        at(step, f"first {step}")
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "row": nu')
    at = judged(planned, tokenizer, path)
    for step in (2, 3):
        at(step, f"again {step}")
    said = [line["completion"] for line in lines(path)]
    assert said == ["first 0", "first 1", "again 2", "again 3"]


def test_log_keeps_as_many_answers_of_an_evaluation(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "completions.jsonl"
    at = judged(planned, tokenizer, path)
    at(1, *("e" * 40), phase="eval")
    at(1, *("e" * 40), phase="eval")
    at(1, *("t" * 40))
    at(1, *("t" * 40))
    at(2, "t")
    found = Counter((line["step"], line["phase"], line["completion"]) for line in lines(path))
    assert found == {(1, "eval", "e"): 64, (1, "train", "t"): 64, (2, "train", "t"): 1}


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("train", ["train 0", "eval 1", "train 1", "eval 2", "again"]),
        ("eval", ["train 0", "eval 1", "train 1", "again"]),
    ],
)
def test_log_of_a_resumed_run_keeps_the_evaluation_before_its_checkpoint(
    phase: str, said: list[str], planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "completions.jsonl"
    at = judged(planned, tokenizer, path)
    for step in range(4):
        if step:
            at(step, f"eval {step}", phase="eval")
        at(step, f"train {step}")
    judged(planned, tokenizer, path)(2, "again", phase=phase)
    assert [line["completion"] for line in lines(path)] == said


def test_log_takes_any_text(planned: Planned, tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    texts = ["naïve 漢字", "half \ud83d of a pair", 'quotes " and\nbreaks\u2028']
    judged(planned, tokenizer, path)(0, *texts)
    written = path.read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["completion"] for line in written[:-1]] == texts
    assert "漢字" in written[0]


def test_other_ranks_judge_and_write_nothing(planned: Planned, tokenizer: Any) -> None:
    judged(planned, tokenizer, None)(0, "a")


def test_reward_that_failed_leaves_nothing_of_its_batch(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    path = tmp_path / "completions.jsonl"
    body = "return [1.0] if completions != ['bad'] else [None]"
    plan = planned(RewardPlan("length", "length"), of_code(code(tmp_path, body)))
    length, judge = build_rewards(plan, tokenizer, CompletionsLog(path))
    length(["?"], ["bad"])
    ended(judge, ["?"], ["bad"])
    length(["?"], ["good"])
    judge(["?"], ["good"])
    (line,) = lines(path)
    assert line["completion"] == "good"
    assert math.isclose(line["total"], 2.0)


def test_function_of_the_guide_does_what_it_says(
    planned: Planned, tokenizer: Any, tmp_path: Path
) -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "rewards.md"
    (source,) = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "politeness.py"
    file.write_text(source, encoding="utf-8")
    plan = planned(of_code(file, "politeness", bonus=0.5))
    (politeness,) = build_rewards(plan, tokenizer, None)
    answers = ["Please sit.", "Sit.", "Sit."]
    tones = ["polite", "polite", "curt"]
    assert politeness(["?"] * 3, answers, tone=tones) == [1.5, 0.5, 1.5]
    asked, said = messages(*["?"] * 3, role="user"), messages(*answers, role="assistant")
    assert politeness(asked, said, tone=tones) == [1.5, 0.5, 1.5]
