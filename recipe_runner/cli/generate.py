"""`recipe-run generate`: answer a file of prompts with what a run made."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_runner.cli.asking import asking_options, run_that_answers, sampling_of, wants_raw
from recipe_runner.cli.generate_progress import Progress, progress
from recipe_runner.cli.layout import counted
from recipe_runner.cli.parameters import PageFile

if TYPE_CHECKING:
    from recipe_runner.execute.answering.answers_file import AnswersFile
    from recipe_runner.execute.answering.batches import Answering, Batch
    from recipe_runner.execute.answering.quiet import Quiet
    from recipe_runner.execute.answering.rows import PromptFile

INTERRUPTED = 130
_KINDS = (".jsonl", ".txt")
_COLUMNS = {True: "answer", False: "answer_base"}
_SIDES = {"on": (True,), "off": (False,), "both": (True, False)}


class Prompts(click.Path):
    """A file of prompts, or `-` for standard input."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name = str(super().convert(value, param, ctx))
        if name != "-" and Path(name).suffix not in _KINDS:
            self.fail(f"`{name}` is neither {' nor '.join(_KINDS)}", param, ctx)
        return name


@click.command("generate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--prompts", type=Prompts(), required=True, metavar="FILE", help="A .jsonl, a .txt, or -."
)
@click.option(
    "--out", type=PageFile(), metavar="FILE", help="Write there; else to standard output."
)
@click.option("--column", metavar="NAME", help="With the prompt; else prompt, or messages.")
@click.option(
    "--adapter",
    type=click.Choice(list(_SIDES)),
    default="on",
    metavar="SIDE",
    help="on, off (the base) or both.",
)
@click.option(
    "--batch-size", type=click.IntRange(1), default=16, metavar="N", help="Prompts at once."
)
@click.option("--resume", is_flag=True, help="Keep the answers that FILE has.")
@asking_options
def command(
    run: Path,
    prompts: str,
    out: Path | None,
    column: str | None,
    adapter: str,
    batch_size: int,
    resume: bool,
    merged: bool,
    **values: Any,
) -> int:
    """Answer a file of prompts with the model of RUN, and write JSON lines.

    A row keeps its columns and gets `answer`, and from the base `answer_base`.

    Exit code: as of `chat`; 130 interrupted.
    """
    sampling = sampling_of(values)
    _demand_free(out, resume)
    finished = run_that_answers(run, merged=merged)
    from recipe_runner.execute.answering.answers_file import AnswersFile
    from recipe_runner.execute.answering.batches import Answering
    from recipe_runner.execute.answering.quiet import Quiet
    from recipe_runner.execute.answering.sides import Sides

    columns = {adapted: _COLUMNS[adapted] for adapted in _SIDES[adapter]}
    file = _read(prompts, column, tuple(columns.values()))
    sides = Sides(finished, merged, values["dtype"], allow_code=values["allow_code"])
    raw = wants_raw(finished, values["raw"])
    answering = Answering(sides, sampling, columns, batch_size, raw)
    settings = {**answering.settings, "column": column or "auto"}
    answers = None if out is None else AnswersFile(out, settings)
    if answers is not None:
        _open(answers, file, tuple(columns.values()), resume)
    try:
        with Quiet(finished) as quiet, progress(sys.stderr) as shown:
            gc.enable()
            return _answer(answering, file, answers, quiet, shown)
    finally:
        if answers is not None:
            answers.leave()


def _demand_free(out: Path | None, resume: bool) -> None:
    if out is None and resume:
        raise click.UsageError("--resume needs --out")
    for there in () if out is None or resume else (out, out.with_name(f"{out.name}.partial")):
        if there.exists():
            raise click.UsageError(
                f"`{there}` is there already; --resume keeps its answers, or name another file"
            )


def _read(name: str, column: str | None, taken: tuple[str, ...]) -> PromptFile:
    """The prompts; standard input is JSON lines where it begins with an object."""
    from recipe_runner.execute.answering.rows import read_prompts

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"`{name}` is not UTF-8: {error.reason}") from error
    except OSError as error:
        raise click.UsageError(f"`{name}` cannot be read: {error.strerror}") from error
    json_lines = text.lstrip().startswith("{") if name == "-" else name.endswith(".jsonl")
    shown = "<stdin>" if name == "-" else name
    file = read_prompts(shown, text, json_lines=json_lines, column=column, taken=taken)
    if not file.rows:
        raise click.UsageError(f"there is no prompt in `{shown}`")
    return file


def _open(answers: AnswersFile, file: PromptFile, columns: tuple[str, ...], resume: bool) -> None:
    from recipe_runner.execute.answering.answers_file import OtherAnswers

    try:
        answers.open(file.rows, columns, resume=resume)
    except OtherAnswers as error:
        raise click.UsageError(f"{error}; name another file") from error
    except OSError as error:
        raise click.UsageError(f"`{answers.path}` cannot be written: {error.strerror}") from error


def _answer(
    answering: Answering,
    file: PromptFile,
    answers: AnswersFile | None,
    quiet: Quiet,
    shown: Progress,
) -> int:
    done = 0 if answers is None else answers.done
    total, tokens, cut, started = len(file.rows), 0, 0, time.monotonic()
    if file.blank:
        shown.line(f"{file.name}: {counted(file.blank, 'line')} without text left out")
    if done:
        shown.line(f"{done:,} of {counted(total, 'prompt')} were answered before")
    try:
        with quiet.working():
            prompts = answering.prepare(file)
        made = answering.answers(file.rows, prompts, done)
        while done < total:
            with quiet.working():
                batch = next(made)
            _write(batch, answers)
            done, tokens, cut = done + len(batch.rows), tokens + batch.tokens, cut + batch.cut
            shown(done, total, tokens)
    except KeyboardInterrupt:
        shown.close()
        kept = "" if answers is None else f", in {answers.partial}; --resume goes on from there"
        shown.line(f"Interrupted: {done:,} of {counted(total, 'prompt')} answered{kept}")
        return INTERRUPTED
    shown.close()
    if answers is not None:
        answers.finish()
    seconds = time.monotonic() - started
    told = f"{counted(done, 'prompt')} answered with {counted(tokens, 'token')} in {seconds:.0f}s"
    at_limit = f", {counted(cut, 'answer')} cut by --max-new-tokens" if cut else ""
    shown.line(f"{told}{at_limit}" + ("" if answers is None else f": {answers.path}"))
    return 0


def _write(batch: Batch, answers: AnswersFile | None) -> None:
    if answers is not None:
        answers.add(batch.written())
        return
    from recipe_runner.execute.answering.answers_file import line_of

    sys.stdout.write("".join(line_of(row) for row in batch.written()))
    sys.stdout.flush()
