"""What a target of `recipe-run export` is, and where to find them all."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan, Requirement

Told = Callable[[str], None]
"""Takes one line for a person."""

Meter = Callable[[int, int], None]
"""Takes how much of how much is done."""

_FOLDER = "recipe_runner.execute.exports.targets"


@dataclass(frozen=True)
class Job:
    """One export: the whole model in `source`, as transformers saves it, goes into `folder`.

    `type` is one of the target's types. `name` begins the names of files that no library
    names.
    """

    plan: Plan
    run: RunDirectory
    source: Path
    folder: Path
    name: str
    type: str
    told: Told
    meter: Meter


class Target(ABC):
    """A form to export to. The module's name is the word for it.

    `packages` are needed beyond those of training. `types` are what `--type` may say, the
    first unless told otherwise; a target with none has one form only. `use` is a command
    that loads the result, with `{folder}` or `{file}` in it, and `variables` its option for
    those of the chat template; `library` is what the hub should say loads it, None where a tag
    says it.
    """

    about: ClassVar[str]
    packages: ClassVar[tuple[Requirement, ...]] = ()
    needs_gpu: ClassVar[bool] = False
    types: ClassVar[tuple[str, ...]] = ()
    use: ClassVar[str] = ""
    variables: ClassVar[str] = "--default-chat-template-kwargs"
    library: ClassVar[str | None] = "transformers"

    @property
    def name(self) -> str:
        """The word that the command line takes."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def write(self, job: Job) -> None:
        """Write the model into `job.folder`."""

    @abstractmethod
    def verify(self, job: Job, *, trial: bool) -> tuple[str, ...]:
        """Read back what was written and say what was compared, a line each.

        With `trial` the result is loaded and answers as well. Reports RR739 where it is
        not the model that it was made of.
        """


@cache
def targets() -> Mapping[str, Target]:
    """The targets by their names, in alphabetical order."""
    package = importlib.import_module(_FOLDER)
    found: dict[str, Target] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{_FOLDER}.{info.name}")
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and issubclass(value, Target)
                and value.__module__ == module.__name__
                and not inspect.isabstract(value)
            ):
                found[info.name] = value()
    return found
