"""The two that answer: what the run made, and what it began with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.loading import Loaded, load_run


@dataclass
class Sides:
    """Loads each side when it is first asked for.

    An adapter is turned off to get its base; beside a model that was trained in full, or merged,
    the base is loaded as a second model.
    """

    finished: FinishedRun
    merged: bool = False
    dtype: str | None = None
    allow_code: bool = False
    _made: Loaded | None = None
    _base: Loaded | None = None

    @contextmanager
    def using(self, *, adapted: bool) -> Iterator[Loaded]:
        """The side to answer with, within the block."""
        if adapted or self._turns_off:
            loaded = self.made()
            if adapted:
                yield loaded
            else:
                with loaded.base():
                    yield loaded
            return
        if self._base is None:
            self._base = self._load(adapter=False)
        yield self._base

    def made(self) -> Loaded:
        """What the run made."""
        if self._made is None:
            self._made = self._load(adapter=True)
        return self._made

    @property
    def _turns_off(self) -> bool:
        return self.finished.is_adapter and not self.merged

    def _load(self, *, adapter: bool) -> Loaded:
        return load_run(
            self.finished,
            adapter=adapter,
            merged=self.merged and adapter,
            dtype=self.dtype,
            allow_code=self.allow_code,
        )
