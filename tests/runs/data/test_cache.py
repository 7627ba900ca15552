"""Prepared data are found by content: whatever changes a token misses, nothing else does."""

from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from transformers import AutoTokenizer

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.data import key, prepare
from recipe_runner.execute.data.ensure import ensure
from recipe_runner.execute.data.hashes import FileHashes
from recipe_runner.execute.data.hub import _note
from recipe_runner.execute.data.identity import PlannedTokenizer
from recipe_runner.plan import FormatPlan, LossPlan, Plan, RowPolicy, SourcePlan, TokenizerPlan

pytestmark = pytest.mark.runs

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def two_sources(chats: Any, source: Any, plan: Any) -> Plan:
    first, second = source(chats(30, "a.jsonl")), source(chats(20, "b.jsonl"))
    made: Plan = plan(first, second, max_length=64, eval_split=5)
    return made


def with_data(**values: Any) -> Callable[[Plan], Plan]:
    return lambda plan: dataclasses.replace(plan, data=dataclasses.replace(plan.data, **values))


def with_source(**values: Any) -> Callable[[Plan], Plan]:
    def change(plan: Plan) -> Plan:
        first = dataclasses.replace(plan.data.train[0], **values)
        return with_data(train=(first, *plan.data.train[1:]))(plan)

    return change


def with_tokenizer(**values: Any) -> Callable[[Plan], Plan]:
    tokenizer = TokenizerPlan("t", {}, **values)
    return lambda plan: dataclasses.replace(plan, tokenizer=tokenizer)


def edited(plan: Plan) -> Plan:
    file = Path(plan.data.train[0].files[0])
    before = file.stat()
    file.write_text(file.read_text().replace("answer 7", "answer 8"))
    # Same size and time: only the content and the file system's own marks differ.
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    return plan


def moved(plan: Plan) -> Plan:
    first = plan.data.train[0]
    target = Path(first.files[0]).with_name("elsewhere.jsonl")
    Path(first.files[0]).rename(target)
    return with_source(path=str(target), files=(str(target),))(plan)


def touched(plan: Plan) -> Plan:
    os.utime(plan.data.train[0].files[0])
    return plan


PLAIN = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
MISSES = {
    "content": edited,
    "limit": with_source(limit=20),
    "fraction": with_source(fraction_of_rows=0.5),
    "loss": with_source(loss=LossPlan.of("all")),
    "on_bad_row": with_source(on_bad_row=RowPolicy.of("drop")),
    "format option": with_source(
        format=FormatPlan("messages", "conversation", {"tools_column": "functions"})
    ),
    "columns": with_source(columns={"messages": "messages"}),
    "max_length": with_data(max_length=32),
    "overlong": with_data(overlong="drop"),
    "truncation_mode": with_data(truncation_mode="keep_end"),
    "eval_split": with_data(eval_split=0.1),
    "seed of a split": with_data(seed=7),
    "mix": with_data(mix_strategy="interleave"),
    "packing that splits": with_data(packing="wrapped"),
    "chat template": with_tokenizer(chat_template=PLAIN),
    "template kwargs": with_tokenizer(chat_template_kwargs={"thinking": True}),
}  # fmt: skip
HITS = {
    "nothing": lambda plan: plan,
    "file moved": moved,
    "file touched": touched,
    "num_proc": with_data(num_proc=1),
    "rows known": with_source(rows=30),
    "output": lambda plan: dataclasses.replace(plan, name="other", seed=9),
}


@pytest.mark.parametrize("change", MISSES.values(), ids=MISSES.keys())
def test_what_changes_tokens_is_prepared_again(
    change: Callable[[Plan], Plan], two_sources: Plan, tokenizer: Any
) -> None:
    first = prepare(two_sources, tokenizer).receipt
    second = prepare(change(two_sources), tokenizer).receipt
    assert not second.cached
    assert second.key != first.key
    assert not first.cached


@pytest.mark.parametrize("change", HITS.values(), ids=HITS.keys())
def test_what_changes_no_token_is_found_again(
    change: Callable[[Plan], Plan], two_sources: Plan, tokenizer: Any
) -> None:
    first = prepare(two_sources, tokenizer)
    changed = change(two_sources)
    second = prepare(changed, tokenizer)
    assert second.receipt.cached
    assert [s.path for s in second.receipt.sources] == [s.path for s in changed.data.train]
    assert first.train[:] == second.train[:]
    assert first.eval is not None
    assert second.eval is not None
    assert first.eval[:] == second.eval[:]


def test_a_tokenizer_is_known_by_what_it_does(tokenizer: Any) -> None:
    import copy

    used = copy.deepcopy(tokenizer)
    used(["a", "b c"], padding=True, truncation=True, max_length=2)
    assert key.tokenizer_digest(used) == key.tokenizer_digest(tokenizer)
    added = copy.deepcopy(tokenizer)
    added.add_tokens(["<tool>"])
    other_end = copy.deepcopy(tokenizer)
    other_end.eos_token = "<|user|>"
    digests = {key.tokenizer_digest(t) for t in (tokenizer, added, other_end)}
    assert len(digests) == 3


def test_a_seed_that_draws_nothing_changes_nothing(
    chats: Any, source: Any, plan: Any, tokenizer: Any
) -> None:
    made = source(chats(5))
    prepare(plan(made, seed=1), tokenizer)
    assert prepare(plan(made, seed=2), tokenizer).receipt.cached


def test_a_hit_reads_no_row(two_sources: Plan, tokenizer: Any) -> None:
    for source in two_sources.data.train:
        for file in source.files:
            os.utime(file, (1e9, 1e9))  # old enough for its hash to be remembered
    prepare(two_sources, tokenizer)
    times = [Path(file).stat().st_atime_ns for s in two_sources.data.train for file in s.files]
    for source in two_sources.data.train:
        Path(source.files[0]).chmod(0)
    started = time.perf_counter()
    assert prepare(two_sources, tokenizer).receipt.cached
    assert time.perf_counter() - started < 1
    assert times == [
        Path(file).stat().st_atime_ns for s in two_sources.data.train for file in s.files
    ]


@pytest.mark.parametrize("damage", ["cut", "missing", "{", "{}", "[]", "\xff"])
def test_a_damaged_entry_is_prepared_again(damage: str, two_sources: Plan, tokenizer: Any) -> None:
    first = prepare(two_sources, tokenizer)
    expected = first.train[:]
    if damage == "cut":
        os.truncate(first.folder / "tokens-0.arrow", 100)
    elif damage == "missing":
        (first.folder / "tokens-1.arrow").unlink()
    else:
        (first.folder / "manifest.json").write_bytes(damage.encode("latin-1"))
    again = prepare(two_sources, tokenizer)
    assert not again.receipt.cached
    assert again.train[:] == expected


def test_a_file_hash_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"one")
    os.utime(file, (1e9, 1e9))
    hashes = FileHashes(tmp_path / "index")
    one = hashlib.sha256(b"one").hexdigest()
    assert hashes.of([str(file)]) == [one]
    hashes.keep()
    assert one in (tmp_path / "index" / "files.json").read_text()
    file.write_bytes(b"two")
    two = [hashlib.sha256(b"two").hexdigest()]
    assert hashes.of([str(file)]) == two
    for damage in (b"[]", b"\xff"):
        (tmp_path / "index" / "files.json").write_bytes(damage)
        assert hashes.of([str(file)]) == two


def test_killed_while_preparing_then_success(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    made = plan(source(chats(12_000)), num_proc=2)
    process = FORK.Process(target=prepare, args=(made, tokenizer))
    process.start()
    assert process.pid is not None
    building = wait_for(
        lambda: [
            f for f in cache.glob("prepared/*.building/tokens-0.arrow") if f.stat().st_size > 10_000
        ]
    )
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert building[0].parent.exists()
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    prepared = prepare(made, tokenizer)
    assert (prepared.receipt.cached, len(prepared.train)) == (False, 12_000)
    assert [f.name for f in (cache / "prepared").iterdir() if f.is_dir()] == [prepared.receipt.key]


def test_a_killed_build_is_swept_by_the_next_one(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    left = cache / "prepared" / "0123.building"
    left.mkdir(parents=True)
    prepare(plan(source(chats(3))), tokenizer)
    assert not left.exists()


def test_a_killed_worker_is_a_diagnostic(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    def kill(done: int, total: int) -> None:
        for child in psutil.Process().children():
            child.kill()

    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(chats(12_000)), num_proc=2), tokenizer, progress=kill)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR429"]
    assert [f for f in (cache / "prepared").iterdir() if f.is_dir()] == []


def test_two_runs_at_once_prepare_once(chats: Any, source: Any, plan: Any, tokenizer: Any) -> None:
    made = plan(source(chats(4_000)), num_proc=1)
    answers = FORK.SimpleQueue()

    def run() -> None:
        prepared = prepare(made, tokenizer)
        answers.put((prepared.receipt.cached, sum(map(sum, prepared.train["input_ids"]))))

    runs = [FORK.Process(target=run) for _ in range(3)]
    for process in runs:
        process.start()
    found = [answers.get() for _ in runs]
    for process in runs:
        process.join()
    assert sorted(cached for cached, _ in found) == [False, True, True]
    assert len({total for _, total in found}) == 1


def wait_for(found: Callable[[], list[Path]], seconds: float = 20) -> list[Path]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if result := found():
            return result
        time.sleep(0.005)
    raise AssertionError("it did not happen in time")


def test_sources_are_told_apart_by_their_order(
    chats: Any, source: Any, plan: Any, tokenizer: Any
) -> None:
    first: SourcePlan = source(chats(4, "a.jsonl"))
    second: SourcePlan = source(chats(3, "b.jsonl"))
    keys = {
        prepare(plan(*order), tokenizer).receipt.key for order in ((first, second), (second, first))
    }
    assert len(keys) == 2
    assert prepare(plan(first, eval=(second,)), tokenizer).receipt.key not in keys


def test_a_cache_that_cannot_be_written_is_a_diagnostic(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(DiagnosticError) as caught:
        prepare(plan(source(chats(3))), tokenizer)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR430"]


def test_a_file_that_changes_after_its_hash_was_taken_is_a_diagnostic(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    file = chats(3)

    def read() -> Any:
        """Loading the tokenizer takes a while, in which the file may grow."""
        with file.open("a") as handle:
            handle.write(file.read_text())
        return tokenizer

    with pytest.raises(DiagnosticError) as caught:
        ensure(plan(source(file)), read)
    assert [d.code.id for d in caught.value.diagnostics] == ["RR428"]
    assert [f for f in (cache / "prepared").iterdir() if f.is_dir()] == []


def test_a_further_chat_template_of_a_tokenizer_is_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(Path(key.__file__).parents[2] / "shipped/tokenizers/quickstart", folder)
    template = folder / "additional_chat_templates" / "tool_use.jinja"
    template.parent.mkdir()
    found = []
    for number, text in enumerate(("one", "two")):
        template.write_text(text)
        for path in folder.rglob("*"):
            os.utime(path, (1e9 + number, 1e9 + number))  # old enough to be remembered
        planned = PlannedTokenizer(
            TokenizerPlan(str(folder), {}),
            tmp_path / "known",
            lambda: AutoTokenizer.from_pretrained(str(folder)),
        )
        found.append(planned.parts()["chat_template"]["tool_use"])
    assert found == ["one", "two"]


def test_a_cache_that_can_only_be_read_is_used(
    chats: Any, source: Any, plan: Any, tokenizer: Any, cache: Path
) -> None:
    first = chats(3)
    prepare(plan(source(first)), tokenizer)
    copy = first.with_name("copy.jsonl")
    shutil.copy(first, copy)
    os.utime(copy, (1e9, 1e9))  # old enough for its hash to be remembered, if that were possible
    (cache / "files.lock").unlink(missing_ok=True)
    (cache / "files.lock").mkdir()
    assert prepare(plan(source(copy)), tokenizer).receipt.cached


def test_commits_are_noted_by_several_processes_at_once(tmp_path: Path) -> None:
    def note() -> None:
        for number in range(200):
            _note(tmp_path / "commits.json", f"org/data@{number}", "0" * 40)

    runs = [FORK.Process(target=note) for _ in range(2)]
    for process in runs:
        process.start()
    for process in runs:
        process.join()
    assert [process.exitcode for process in runs] == [0, 0]


def test_the_ending_of_a_file_says_how_it_is_read(
    tmp_path: Path, source: Any, plan: Any, tokenizer: Any
) -> None:
    file = tmp_path / "data.csv"
    file.write_text("text\nplain\nwith, a comma\n")
    values = {
        "loader": "csv",
        "format": FormatPlan("text", "text"),
        "loss": LossPlan.of("all"),
        "on_bad_row": RowPolicy.of("drop"),
    }
    assert prepare(plan(source(file, **values)), tokenizer).receipt.train_rows == 1
    tabs = file.rename(tmp_path / "data.tsv")
    assert prepare(plan(source(tabs, **values)), tokenizer).receipt.train_rows == 2
