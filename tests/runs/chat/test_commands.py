"""`chat` and `generate` without a terminal: answers for other programs, and what is refused."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runs.chat.conftest import BASE_ANSWER, QUESTIONS, Made

pytestmark = [pytest.mark.runs, pytest.mark.slow]


def recipe_run(made: Made, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "recipe_runner", *arguments],
        cwd=made.folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80"},
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_a_pipe_gets_the_answers_and_nothing_else(made: Made) -> None:
    done = recipe_run(made, "chat", "runs/tiny", "--adapter", "off", text=f"{QUESTIONS[3]}\n\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, BASE_ANSWER + "\n", "")


def test_answers_are_kept_and_gone_on_from(made: Made, tmp_path: Path) -> None:
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    rows: list[dict[str, Any]] = [
        {"id": 1, "prompt": QUESTIONS[1]},
        {"id": 2, "prompt": [{"role": "user", "content": QUESTIONS[2]}]},
        {
            "id": 3,
            "messages": [
                {"role": "user", "content": QUESTIONS[4]},
                {"role": "assistant", "content": "4"},
            ],
        },
    ]
    options = ("--prompts", str(prompts), "--out", str(out), "--adapter", "both")
    prompts.write_text(json.dumps(rows[0]) + "\n", encoding="utf-8")
    assert recipe_run(made, "generate", "runs/tiny", *options).returncode == 0
    out.unlink()
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    kept = {**rows[0], "answer": "kept", "answer_base": "kept"}
    # The second line was cut off when its writer was killed.
    partial = tmp_path / "answers.jsonl.partial"
    partial.write_text(json.dumps(kept) + '\n{"id": 2, "pro', encoding="utf-8")
    refused = recipe_run(made, "generate", "runs/tiny", *options)
    assert (refused.returncode, "is there already" in refused.stderr) == (2, True)
    # Longer answers, beside those that are there, would be of two kinds.
    other = recipe_run(made, "generate", "runs/tiny", *options, "--resume", "--max-new-tokens", "9")
    assert (other.returncode, "max_new_tokens 512, and this is 9" in other.stderr) == (2, True)
    done = recipe_run(made, "generate", "runs/tiny", *options, "--resume")
    assert done.returncode == 0, done.stderr
    assert "1 of 3 prompts were answered before" in done.stderr
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert written[0] == kept
    assert [row["answer_base"] for row in written[1:]] == [BASE_ANSWER] * 2
    assert all(row["answer"] != BASE_ANSWER for row in written)
    columns = ("answer", "answer_base")
    own = [{k: v for k, v in row.items() if k not in columns} for row in written]
    assert own == rows
    assert not partial.exists()


def test_half_a_character_beside_the_prompt_is_kept(made: Made, tmp_path: Path) -> None:
    row, out = '{"prompt": "Say 1", "note": "\\ud83d"}\n', tmp_path / "answers.jsonl"
    options = ("--prompts", "-", "--out", str(out))
    done = recipe_run(made, "generate", "runs/tiny", *options, text=row)
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text(encoding="utf-8"))["note"] == "\ud83d"


def test_a_line_that_is_no_utf_8_is_named(made: Made) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recipe_runner", "chat", "runs/tiny"],
        cwd=made.folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8:strict"},
        input=b"\ngr\xf6\xdfe\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"<stdin>:2:1: RR630" in done.stderr, done.stderr


BAD = """{"prompt": "Say 1"}
{"prompt": ""}
{"question": "Say 2"}
[1]
{"prompt": "Say 3", "answer": "3"}
{"messages": [{"role": "user", "content": [{"type": "image"}]}]}
{"messages": [{"role": "assistant", "content": "Hello"}]}
{"prompt": "Say
{"prompt": "Say \\ud83d"}
"""


def test_each_bad_row_is_named_before_anything_is_loaded(made: Made, tmp_path: Path) -> None:
    prompts = tmp_path / "bad.jsonl"
    prompts.write_text(BAD, encoding="utf-8")
    done = recipe_run(made, "generate", "runs/tiny", "--prompts", str(prompts))
    assert (done.returncode, done.stdout) == (3, "")
    told = [line for line in done.stderr.splitlines() if "RR630" in line]
    found = [(int(line.split(":")[1]), line.partition("unreadable: ")[2]) for line in told]
    words = [
        (2, "`prompt` is empty"),
        (3, "neither `prompt` nor `messages`; it has question"),
        (4, "is no JSON object"),
        (5, "a column `answer` of its own"),
        (6, "`content` of `messages[0]` is no text"),
        (7, "an answer and no question"),
        (8, "is no JSON: "),
        (9, "`prompt` has half of a character"),
    ]
    assert [line for line, _ in found] == [line for line, _ in words]
    assert all(word in text for (_, word), (_, text) in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("chat", "runs/tiny", "--seed", "1"), "--seed has no effect", id="seed"),
        pytest.param(("chat", "runs/tiny", "--merged"), "recipe-run merge runs/tiny", id="merged"),
        pytest.param(
            ("generate", "runs/tiny", "--prompts", "-", "--resume"), "needs --out", id="resume"
        ),
        pytest.param(("generate", "runs/tiny", "--prompts", "-"), "no prompt in", id="empty"),
        pytest.param(("generate", "runs/tiny", "--prompts", "recipe.csv"), "recipe.csv", id="kind"),
    ],
)
def test_wrong_usage_says_what_is_right(made: Made, arguments: tuple[str, ...], words: str) -> None:
    done = recipe_run(made, *arguments)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_a_folder_without_a_run_is_refused(made: Made) -> None:
    done = recipe_run(made, "chat", "base")
    assert (done.returncode, "RR626" in done.stderr) == (3, True)


def test_the_command_of_vllm_names_base_adapter_rank_and_template(made: Made) -> None:
    done = recipe_run(made, "chat", "runs/tiny", "--print-vllm")
    assert shlex.split(done.stdout) == [
        "vllm", "serve", str(made.base), "--dtype", "float32",
        "--tokenizer", "runs/tiny/model", "--enable-lora", "--lora-modules", "tiny=runs/tiny/model",
        "--max-lora-rank", "8", "--chat-template", "runs/tiny/model/chat_template.jinja",
    ]  # fmt: skip
