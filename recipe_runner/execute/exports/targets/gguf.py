"""The file that llama.cpp, Ollama and LM Studio load."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from recipe_runner.execute.exports.target import Job, Target
from recipe_runner.plan import Requirement


class Gguf(Target):
    """One file with weights, tokens and chat template."""

    about: ClassVar[str] = "one file for llama.cpp, Ollama and LM Studio"
    packages: ClassVar[tuple[Requirement, ...]] = (
        Requirement("gguf", "gguf", "writing a GGUF file"),
    )
    # `auto` keeps the weights' own type, so that nothing is lost.
    types: ClassVar[tuple[str, ...]] = (
        *("auto", "f32", "f16", "bf16"),
        *("q8_0", "q5_1", "q5_0", "q4_1", "q4_0"),
    )
    use: ClassVar[str] = "llama-cli -m {file}"
    variables: ClassVar[str] = "--chat-template-kwargs"
    library: ClassVar[str | None] = None

    def write(self, job: Job) -> None:
        from recipe_runner.execute.exports.gguf_file.file import write_file

        write_file(job, _file(job))

    def verify(self, job: Job, *, trial: bool) -> tuple[str, ...]:
        from recipe_runner.execute.exports.gguf_file.file import compare_file

        line = compare_file(job, _file(job))
        return (line, *_tried(job)) if trial else (line,)


def _tried(job: Job) -> tuple[str, ...]:
    from recipe_runner.execute.exports.gguf_file.file import type_written
    from recipe_runner.execute.exports.gguf_file.trial import installed, try_file

    if not installed():
        return ("not loaded into llama.cpp: llama-cpp-python is not installed",)
    return try_file(_file(job), job.source, type_written(job))


def _file(job: Job) -> Path:
    """The file by llama.cpp's habit: what it is, then the type of its weights."""
    from recipe_runner.execute.exports.gguf_file.file import type_written

    return job.folder / f"{job.name}-{type_written(job)}.gguf"
